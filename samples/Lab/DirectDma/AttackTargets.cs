using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Where things lie that a device must not reach, as somebody knows who sees the whole host.</summary>
/// <param name="host">The host.</param>
/// <param name="random">What decides among several places.</param>
internal sealed class AttackTargets(Host host, Random random)
{
    private const int PageBytes = 4096;

    /// <summary>Somewhere in the memory of a VM, at the start of a page.</summary>
    public Iova MemoryOf(VirtualMachine machine)
    {
        (_, PhysicalAddress start, FrameSize size) = machine.Memory.Blocks[random.Next(machine.Memory.Blocks.Count)];
        return Raw(start + (ulong)random.NextInt64((long)size.Bytes / PageBytes) * PageBytes);
    }

    /// <summary>The root table of the remapping unit.</summary>
    public Iova RootTable() => Raw(ReadRootTable());

    /// <summary>The top table by which the requests of a device are translated.</summary>
    public Iova TranslationTableOf(SourceId source)
    {
        RootEntry root = Read<RootEntry>(ReadRootTable() + (ulong)source.Bus * 16);
        return Raw(Read<ContextEntry>(root.ContextTable + (ulong)source.DeviceFunction * 16).SecondStageTable);
    }

    /// <summary>The top EPT table of a VM.</summary>
    public static Iova EptOf(VirtualMachine machine) => Raw(machine.Memory.Tables.Pointer.Root);

    /// <summary>The first BAR of a function, as the host sees it.</summary>
    public PhysicalAddress RegistersOf(SourceId source) =>
        new(host.Pci.ReadConfiguration(source, PciOffset.Bar0, 4) & 0xFFFF_FFF0);

    /// <summary>Somewhere in a page, so that a sector does not reach into the next one.</summary>
    public Iova Within(Iova page) => page + (ulong)random.Next(PageBytes / 512) * 512;

    private static Iova Raw(PhysicalAddress address) => new(address.Value);

    private PhysicalAddress ReadRootTable() =>
        new RootTableAddress(new(host.Bus.Load(new(MemoryLayout.RemappingUnit + RegisterOffsets.RootTableAddress), 8))).Table;

    private T Read<T>(PhysicalAddress address)
        where T : unmanaged
    {
        return host.Memory.TryRead(address, out T value) ? value : throw new InvalidOperationException($"No table is at {address}.");
    }
}
