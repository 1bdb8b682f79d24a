using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A guest of 4 MiB with one device, which it finds as any guest does.</summary>
internal static class GuestOfOneDevice
{
    private const ulong MiB = 1 << 20;
    private const byte Vector = 0x40;

    /// <summary>Asks the VMM for the device, and opens it.</summary>
    public static async Task<PciDevice> Open(VirtualMachine guest)
    {
        HypercallResult found = await guest.Cpu.Call(Hypercall.FindDevice);
        Assert.Equal(DmaRefusal.None, found.Refusal);
        SourceId handle = new((ushort)found.Value);
        ParavirtualDmaSpace dma = new(guest.Cpu, new(new(MiB), 3 * MiB), guest.Cpu, handle);
        return PciDevice.Open(guest.Cpu, new PciConfigurationPorts(guest.Cpu), handle, dma, Vector);
    }
}
