using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>A host with a VM, to which a device is assigned, and whose software has found and opened it.</summary>
internal sealed class GuestWorld : IDisposable
{
    /// <summary>What the interrupt of the device raises in the guest.</summary>
    public const byte Vector = 0x41;

    private const ulong MiB = 1 << 20;
    private const ulong GuestBytes = 4 * MiB;
    private static readonly SourceId s_place = new(0, 4, 0);

    /// <summary>Sets it up.</summary>
    /// <param name="delivery">How interrupts get into the VM.</param>
    /// <exception cref="InvalidOperationException">The device cannot be assigned.</exception>
    public GuestWorld(InterruptDelivery delivery = InterruptDelivery.Remapped)
    {
        Host = new(new HostOptions { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Delivery = delivery });
        Host.Pci.Add(Device, 1);
        Host.Boot();
        Machine = Host.CreateMachine("guest", GuestBytes);
        Dma = new(Machine.Cpu, new(new(MiB), GuestBytes - MiB), Machine.Cpu, s_place);
        Opened = Host.Loop.Run(Open);

        // What the VMM does about the device's interrupt follows a little later.
        Host.Loop.RunFor(1_000_000);
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>The device.</summary>
    public BenchDevice Device { get; } = new();

    /// <summary>The DMA API of the guest, by hypercalls.</summary>
    public ParavirtualDmaSpace Dma { get; }

    /// <summary>The device as the guest's drivers see it.</summary>
    public PciDevice Opened { get; }

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();

    private async Task<PciDevice> Open()
    {
        AssignmentResult assigned = await Host.AssignmentOf(Device.Source).Assign(Machine, s_place);
        return assigned.IsDone
            ? PciDevice.Open(Machine.Cpu, new PciConfigurationPorts(Machine.Cpu), s_place, Dma, Vector)
            : throw new InvalidOperationException(assigned.Reason);
    }
}
