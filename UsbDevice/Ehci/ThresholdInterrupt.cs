using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>USBSTS, and when it interrupts: what transfers report waits for the interrupt threshold, all else shows at once (EHCI, interrupts).</summary>
/// <param name="registers">The registers.</param>
/// <param name="clock">The microframes by which it delays.</param>
/// <param name="loop">The time it lives in.</param>
/// <param name="interrupt">Where it interrupts.</param>
public sealed class ThresholdInterrupt(EhciRegisters registers, FrameClock clock, EventLoop loop, IEhciInterrupt interrupt)
{
    private const ulong Never = ulong.MaxValue;

    private uint _pending;
    private uint _asserted;
    private uint _causes;

    /// <summary>When <see cref="Settle"/> has something to show.</summary>
    public ulong DueNs { get; private set; } = Never;

    /// <summary>What waits is not shown any more.</summary>
    public void Forget() => (_pending, DueNs) = (0, Never);

    /// <summary>Sets bits of USBSTS at the next threshold.</summary>
    public void Post(uint statusBits)
    {
        if (_pending == 0)
            DueNs = NextThreshold();
        _pending |= statusBits;
    }

    /// <summary>Sets bits of USBSTS now.</summary>
    public void Raise(uint statusBits) => registers.File[EhciRegisters.Status] |= statusBits;

    /// <summary>Status that is due becomes visible, and the interrupt follows it and what software enabled.</summary>
    public void Settle()
    {
        if (DueNs <= loop.NowNs)
        {
            Raise(_pending);
            Forget();
        }

        uint causes = (uint)registers.File[EhciRegisters.Status] & EhciRegisters.InterruptMask;
        if (causes != _causes)
            interrupt.SetCauses(_causes = causes);
        uint active = causes & (uint)registers.File[EhciRegisters.InterruptEnable];
        uint gained = active & ~_asserted;
        _asserted = active;
        interrupt.SetLevel(active != 0);

        // A message for each cause that comes, so that none is lost between the driver's read and its acknowledgement.
        if (gained != 0)
            interrupt.Send();
    }

    // The next microframe whose number is a multiple of the threshold; zero asks for no delay.
    private ulong NextThreshold()
    {
        ulong threshold = (ulong)registers.UsbCommand.InterruptThreshold;
        return threshold == 0 ? loop.NowNs : clock.StartOf(((clock.Count(loop.NowNs) / threshold) + 1) * threshold);
    }
}
