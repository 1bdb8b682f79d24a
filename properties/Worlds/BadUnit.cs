using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What lies between a remapping unit and its driver: it writes down what is asked for, and can do some things wrong.</summary>
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

    /// <summary>Every descriptor that was submitted, as it stood in memory then.</summary>
    public List<Bits128> Submitted { get; } = [];

    public ulong Read(ulong offset, int width) => unit.Read(offset, width);

    public void Write(ulong offset, int width, ulong value)
    {
        if (DeafRegisters.Contains((int)offset))
            return;
        if (offset == RegisterOffsets.InvalidationQueueTail)
            Submit(value);

        unit.Write(offset, width, value);
    }

    private void Submit(ulong tail)
    {
        ulong ring = unit.Read(RegisterOffsets.InvalidationQueueAddress, 8) & ~0xFFFul;
        ulong head = unit.Read(RegisterOffsets.InvalidationQueueHead, 8);
        for (ulong slot = head; slot != tail; slot = (slot + 16) & 0xFFF)
        {
            if (memory.TryRead(new(ring + slot), out Bits128 descriptor))
                Submitted.Add(descriptor);
        }

        if (SubmissionsToBreak == 0 || head == tail)
            return;
        SubmissionsToBreak--;
        memory.TryWrite(new PhysicalAddress(ring + (DescriptorToBreak == 0 ? head : (tail - 16) & 0xFFF)), Breakage);
    }
}
