using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>The microframe index in the image of an xHCI controller: it goes on with time while a VM has no turn, as long as its controller runs.</summary>
/// <remarks>How often it began anew is counted whenever the image is stored, so that each time counts once, wherever the index comes from again.</remarks>
internal sealed class XhciImageClock
{
    private const int IndexBits = 14;

    private readonly FrameClock _frames = new();

    // Microframes when wraps were counted last.
    private ulong _seen;

    /// <summary>How often the index began anew since the turn ended, where the VM wants to be told.</summary>
    public ulong Wraps { get; private set; }

    /// <summary>MFINDEX.</summary>
    public uint Index(ulong nowNs) => _frames.Index(nowNs);

    /// <summary>When the microframe at hand began; now where the clock stands.</summary>
    public ulong MicroframeNs(ulong nowNs) => _frames.IsRunning ? _frames.StartOf(_frames.Count(nowNs)) : nowNs;

    /// <summary>How long until the next microframe begins; 0 where the clock stands or one begins now.</summary>
    public ulong ToMicroframeNs(ulong nowNs) =>
        _frames.IsRunning ? (_frames.StartOf(_frames.Count(nowNs) + 1) - nowNs) % WireTime.MicroframeNs : 0;

    /// <summary>The controller starts.</summary>
    public void Start(ulong nowNs) => _frames.Start(nowNs);

    /// <summary>It halts.</summary>
    public void Stop(ulong nowNs) => _frames.Stop(nowNs);

    /// <summary>It is reset.</summary>
    public void Reset()
    {
        _frames.Set(0);
        (_seen, Wraps) = (0, 0);
    }

    /// <summary>A turn ends: the index of the last one is that of the controller, to the nanosecond, unless the guest set or stopped it.</summary>
    public void Follow(uint index, bool isRunning, ulong nowNs)
    {
        if (_frames.IsRunning != isRunning || _frames.Index(nowNs) != index)
        {
            _frames.Set(index);
            if (isRunning)
                _frames.Start(nowNs);
        }

        _seen = _frames.Count(nowNs);
    }

    /// <summary>A turn is near: the index comes out of the state region.</summary>
    /// <param name="index">What it was.</param>
    /// <param name="startNs">When it was that, where the controller runs; null where it does not.</param>
    public void Restore(uint index, ulong? startNs)
    {
        _frames.Set(index);
        _seen = index;
        if (startNs is { } since)
            _frames.Start(since);
    }

    /// <summary>Counts how often the index began anew since the last count.</summary>
    /// <param name="nowNs">The time.</param>
    /// <param name="wants">Whether the VM wants to be told.</param>
    public void CountWraps(ulong nowNs, bool wants)
    {
        ulong count = _frames.Count(nowNs);
        if (wants)
            Wraps += (count >> IndexBits) - (_seen >> IndexBits);
        _seen = count;
    }

    /// <summary>The controller tells of them.</summary>
    public ulong TakeWraps()
    {
        ulong wraps = Wraps;
        Wraps = 0;
        return wraps;
    }
}
