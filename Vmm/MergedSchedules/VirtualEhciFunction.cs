using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The virtual controller of a VM as a function in its PCI hierarchy: all that a driver of EHCI looks for.</summary>
internal sealed class VirtualEhciFunction : PciFunction
{
    private const int ReleaseNumber = 0x60;
    private const uint ReleaseNumberValue = 0x2020;

    private readonly VirtualEhci _registers;

    /// <summary>A function that is not plugged in yet.</summary>
    /// <param name="identity">That of the real controller.</param>
    /// <param name="registers">What is behind its BAR.</param>
    public VirtualEhciFunction(PciIdentity identity, VirtualEhci registers)
        : base(identity)
    {
        _registers = registers;
        AddMemoryBar(0, EhciRegisters.WindowLength);
        AddRegister(new(ReleaseNumber, 4, "SBRN", new(ReleaseNumberValue)));

        // The VMM is the firmware of the guest, and owns nothing of it.
        LegacySupport support = new() { CapabilityId = 1 };
        LegacySupport writable = new() { SystemOwned = true };
        AddRegister(new(EhciRegisters.LegacyCapability, 4, "USBLEGSUP", new(support.Raw.Value, writable.Raw.Value)));
        AddRegister(new(EhciRegisters.LegacyCapability + 4, 4, "USBLEGCTLSTS", new(0)));
        AddInterruptPin(1);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint, false));
    }

    /// <summary>Whether the guest lets its controller send requests.</summary>
    public bool MayMaster => Bus is not null && (Command & PciCommand.BusMaster) != 0;

    /// <summary>A new cause came.</summary>
    public void Interrupt() => RaiseInterrupt();

    /// <summary>Whether the interrupt is wanted now.</summary>
    public void SetLevel(bool isAsserted) => SetInterruptLevel(isAsserted);

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _registers.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _registers.Write((int)offset, width, value);

    /// <inheritdoc/>
    protected override void OnReset() => _registers.ResetController();
}
