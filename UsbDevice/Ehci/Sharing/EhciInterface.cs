using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>One PCI function of a shared controller: a whole EHCI controller to its driver, with a requester id, an interrupt and a reset of its own.</summary>
public sealed class EhciInterface : EhciFunction
{
    internal EhciInterface(EhciEngine engine, EhciOptions options, IDmaPort? dma)
        : base(engine, options, new PciIdentity(0x8086, 0x293C, 0x0C0320), dma)
    {
    }

    /// <summary>Which register set it is, from 0 on.</summary>
    public int Number => Set.Number;

    /// <summary>Whether its schedules can run: run/stop is set, and it met no bus error.</summary>
    public bool IsRunning => Set.IsRunning;

    /// <summary>Bus time that it may still use in this turn, in nanoseconds, where the policy counts that; below zero where it used too much.</summary>
    public long DeficitNs => Set.Share.DeficitNs;

    /// <summary>Its way to memory, for another function that shall use it as well.</summary>
    internal IDmaPort Way => Set.Requester;
}
