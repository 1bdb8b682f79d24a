using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>A remapping unit that does not hear of IOTLB invalidations, and says that they are done.</summary>
/// <remarks>In its queue they become invalidations of a context entry that nobody has; it has a queue, and software uses it.</remarks>
/// <param name="unit">The unit.</param>
/// <param name="memory">Where its queue is.</param>
/// <param name="isDeaf">Whether it does not hear now.</param>
internal sealed class DeafUnit(RemappingUnit unit, PhysicalMemory memory, Func<bool> isDeaf) : IMmioDevice
{
    private const ulong NarrowBytes = 16;

    /// <inheritdoc/>
    public ulong Read(ulong offset, int width) => unit.Read(offset, width);

    /// <inheritdoc/>
    public void Write(ulong offset, int width, ulong value)
    {
        if (offset == RegisterOffsets.InvalidationQueueTail && isDeaf())
            Deafen();
        unit.Write(offset, width, value);
    }

    // All slots of the ring: those that are done do not matter any more.
    private void Deafen()
    {
        InvalidationQueueAddress queue = new(new(unit.Read(RegisterOffsets.InvalidationQueueAddress, 8)));
        ulong step = queue.WideDescriptors ? 2 * NarrowBytes : NarrowBytes;
        for (ulong at = 0; at < BytesOf(queue); at += step)
        {
            PhysicalAddress slot = queue.Table + at;
            if (memory.TryRead(slot, out Bits128 raw) && IsIotlb(new(raw)))
                _ = memory.TryWrite(slot, Harmless.Raw);
        }
    }

    private static ulong BytesOf(InvalidationQueueAddress queue) => 4096ul << queue.SizeCode;

    private static ContextCacheDescriptor Harmless => new()
    {
        Type = InvalidationDescriptorType.ContextCache,
        Granularity = ContextGranularity.Device,
        Source = new(0xFF, 0x1F, 7),
    };

    private static bool IsIotlb(InvalidationDescriptor descriptor) =>
        (descriptor.TypeLow | (descriptor.TypeHigh << 4)) is (int)InvalidationDescriptorType.Iotlb or (int)InvalidationDescriptorType.PasidIotlb;
}
