using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Tells software that the microframe index began anew, where it wants to know (xHCI, MFINDEX wrap event).</summary>
/// <param name="frames">What counts microframes.</param>
/// <param name="registers">Where software says whether it wants to know.</param>
/// <param name="interrupters">Where events go: to the first.</param>
internal sealed class MicroframeWraps(FrameClock frames, XhciRegisters registers, Interrupters interrupters)
{
    private const int IndexBits = 14;

    private ulong _seen;
    private int _untold;

    /// <summary>When the index begins anew next; only where somebody waits for it does that need an event.</summary>
    /// <param name="nowNs">The time.</param>
    public ulong NextNs(ulong nowNs) =>
        registers.UsbCommand.WrapEventEnable ? frames.StartOf(((frames.Count(nowNs) >> IndexBits) + 1) << IndexBits) : ulong.MaxValue;

    /// <summary>The index was set.</summary>
    /// <param name="nowNs">The time.</param>
    /// <param name="untold">How often it began anew that software has not heard of.</param>
    public void Set(ulong nowNs, int untold) => (_seen, _untold) = (frames.Count(nowNs), untold);

    /// <summary>The controller starts: what was not told is told.</summary>
    public void Start()
    {
        for (; _untold > 0; _untold--)
            Tell();
    }

    /// <summary>Sees what time did.</summary>
    public void Sync(ulong nowNs)
    {
        ulong count = frames.Count(nowNs);
        if (frames.IsRunning && count >> IndexBits != _seen >> IndexBits)
            Tell();
        _seen = count;
    }

    // A wrap for which the event ring has no room is not told.
    private void Tell()
    {
        if (registers.UsbCommand.WrapEventEnable && interrupters.HasRoom(0))
            interrupters.Add(0, new(new MicroframeWrapEvent { Type = TrbType.MicroframeWrap, Code = CompletionCode.Success }.Raw));
    }
}
