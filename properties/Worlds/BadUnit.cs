using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A remapping unit between its driver and the bus that does some things wrong.</summary>
/// <param name="unit">The unit that does them right.</param>
/// <param name="memory">Where its queue is.</param>
internal sealed class BadUnit(RemappingUnit unit, PhysicalMemory memory) : IMmioDevice
{
    /// <summary>Registers that lose what is written to them.</summary>
    public HashSet<int> DeafRegisters { get; } = [];

    /// <summary>How many of the next submissions to the queue meet a broken descriptor.</summary>
    public int SubmissionsToBreak { get; set; }

    /// <summary>Which descriptor of a submission breaks: 0 is the first one, -1 the last.</summary>
    public int DescriptorToBreak { get; set; }

    /// <summary>What stands in the first 64 bits of the broken descriptor.</summary>
    public ulong Breakage { get; set; } = 0xF;

    public ulong Read(ulong offset, int width) => unit.Read(offset, width);

    public void Write(ulong offset, int width, ulong value)
    {
        if (DeafRegisters.Contains((int)offset))
            return;
        if (offset == RegisterOffsets.InvalidationQueueTail && SubmissionsToBreak > 0)
        {
            SubmissionsToBreak--;
            Break(value);
        }

        unit.Write(offset, width, value);
    }

    private void Break(ulong tail)
    {
        ulong ring = unit.Read(RegisterOffsets.InvalidationQueueAddress, 8) & ~0xFFFul;
        ulong slot = DescriptorToBreak == 0 ? unit.Read(RegisterOffsets.InvalidationQueueHead, 8) : (tail - 16) & 0xFFF;
        if (slot != tail)
            memory.TryWrite(new PhysicalAddress(ring + slot), Breakage);
    }
}
