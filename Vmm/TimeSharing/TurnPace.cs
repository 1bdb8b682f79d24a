using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>How the VMM waits for a controller, and what its accesses cost.</summary>
/// <param name="host">The host.</param>
internal sealed class TurnPace(Host host)
{
    private const ulong StepNs = WireTime.MicroframeNs / 8;

    /// <summary>The time.</summary>
    public ulong NowNs => host.Loop.NowNs;

    /// <summary>Accounts for something that the VMM does.</summary>
    public void Charge(Cost cost, int times = 1) => host.Cpu.Processor.Charge(cost, (ulong)times);

    /// <summary>Waits, and for what was accounted for.</summary>
    public ValueTask Delay(ulong ns = 0) => host.Cpu.Processor.Delay(ns);

    /// <summary>Waits for something that a register will tell.</summary>
    /// <param name="timeoutNs">For how long at most; <see cref="ulong.MaxValue"/> for ever.</param>
    /// <param name="condition">What.</param>
    /// <param name="stepNs">How often it is looked at.</param>
    /// <returns>Whether it came.</returns>
    public async ValueTask<bool> Until(ulong timeoutNs, Func<bool> condition, ulong stepNs = StepNs)
    {
        ulong endNs = NowNs + Math.Min(timeoutNs, ulong.MaxValue - NowNs);
        while (!condition())
        {
            if (NowNs >= endNs)
                return false;
            await Delay(Math.Min(stepNs, endNs - NowNs));
            Charge(Cost.RegisterAccess);
        }

        return true;
    }
}
