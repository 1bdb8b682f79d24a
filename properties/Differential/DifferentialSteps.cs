using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>One step of a differential program; it means something after any other.</summary>
internal abstract record DifferentialStep;

/// <summary>Software writes quadwords of a table.</summary>
/// <param name="What">Which entry, in words.</param>
/// <param name="Address">Where.</param>
/// <param name="Values">The quadwords, in order.</param>
internal sealed record PutStep(string What, ulong Address, params ulong[] Values) : DifferentialStep
{
    public override string ToString() => $"put {What} at 0x{Address:x}: {string.Join(' ', Values.Select(value => $"0x{value:x}"))}";
}

/// <summary>A device reads or writes.</summary>
internal sealed record DmaStep(int Device, bool Write, ulong Address, int Length, int Pattern) : DifferentialStep
{
    public override string ToString() => $"device {Ground.Devices[Device]} {(Write ? $"writes (pattern {Pattern})" : "reads")} {Length} bytes at 0x{Address:x}";
}

/// <summary>Software invalidates translations: through the queue while it is on, else by register.</summary>
internal sealed record InvalidateIotlbStep(IotlbGranularity Granularity, ushort Domain, ulong Address, int Mask) : DifferentialStep
{
    public override string ToString() => $"invalidate IOTLB {Granularity}, domain {Domain}, 0x{Address:x}, mask {Mask}";

    public Bits256 Descriptor => Wide(new IotlbDescriptor
    {
        Type = InvalidationDescriptorType.Iotlb,
        Granularity = Granularity,
        DomainId = new(Domain),
        Address = new(Address),
        AddressMask = Mask,
    }.Raw);

    internal static Bits256 Wide(Bits128 descriptor) => new(descriptor.Word0, descriptor.Word1, 0, 0);
}

/// <summary>Software invalidates context entries: through the queue while it is on, else by register.</summary>
internal sealed record InvalidateContextStep(ContextGranularity Granularity, ushort Domain, int Device) : DifferentialStep
{
    public override string ToString() => $"invalidate context {Granularity}, domain {Domain}, {Ground.Devices[Device]}";

    public Bits256 Descriptor => InvalidateIotlbStep.Wide(new ContextCacheDescriptor
    {
        Type = InvalidationDescriptorType.ContextCache,
        Granularity = Granularity,
        DomainId = new(Domain),
        Source = Ground.Devices[Device],
    }.Raw);
}

/// <summary>Software puts a descriptor into the queue, good or bad; nothing while the queue is off.</summary>
internal sealed record SubmitStep(ulong Word0, ulong Word1, ulong Word2 = 0, ulong Word3 = 0) : DifferentialStep
{
    public override string ToString() => $"submit 0x{Word0:x} 0x{Word1:x} 0x{Word2:x} 0x{Word3:x}";
}

/// <summary>Software starts the queue.</summary>
/// <param name="SizeCode">QS: 2^QS pages.</param>
internal sealed record StartQueueStep(int SizeCode) : DifferentialStep
{
    public override string ToString() => $"start the queue, size code {SizeCode}";
}

/// <summary>Software stops the queue as it must: what is wrong in it is replaced, the last descriptor is a wait, and all are done.</summary>
internal sealed record StopQueueStep : DifferentialStep
{
    public override string ToString() => "stop the queue";
}

/// <summary>Software replaces descriptors that stopped the queue by waits, clears the error, and goes on.</summary>
internal sealed record RepairQueueStep : DifferentialStep
{
    public override string ToString() => "repair the queue";
}

/// <summary>Software switches translation on or off.</summary>
internal sealed record SwitchTranslationStep(bool On) : DifferentialStep
{
    public override string ToString() => $"translation {(On ? "on" : "off")}";
}

/// <summary>Software sets a root table.</summary>
/// <param name="Value">RTADDR.</param>
internal sealed record SetRootStep(ulong Value) : DifferentialStep
{
    public override string ToString() => $"set root table 0x{Value:x}";
}

/// <summary>Software clears the fault record, status bits, or both.</summary>
internal sealed record ClearFaultsStep(bool Record, uint Status) : DifferentialStep
{
    public override string ToString() => $"clear {(Record ? "the fault record and " : "")}status 0x{Status:x}";
}

/// <summary>Software writes a register that has no part in any other step, and reads it back.</summary>
internal sealed record ProbeStep(string Name, int Offset, int Width, ulong Value) : DifferentialStep
{
    public override string ToString() => $"write {Name} (0x{Offset:x}, {Width} bytes) 0x{Value:x}, and read it";
}

/// <summary>Software reads some place in the window of registers.</summary>
internal sealed record PeekStep(int Offset, int Width) : DifferentialStep
{
    public override string ToString() => $"read {Width} bytes at 0x{Offset:x}";
}
