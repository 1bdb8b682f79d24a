using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A write that changed an entry which the unit had read and remembered.</summary>
/// <param name="Number">Its place among all such writes, from 1 on.</param>
/// <param name="Requests">How many requests the unit had been asked before it.</param>
/// <param name="Structure">What kind of entry; <see cref="WalkStructure.Request"/> where not an entry changed but the root pointer itself.</param>
/// <param name="Level">The level of a paging entry, 1 at the leaves; 0 elsewhere.</param>
/// <param name="Address">Where the entry is.</param>
/// <param name="Before">Its bits before, zero above its width; of the root pointer, RTADDR.</param>
/// <param name="After">Its bits after.</param>
/// <param name="Device">The requester whose transaction it was; null where it was software.</param>
public sealed record TableWrite(
    ulong Number,
    ulong Requests,
    WalkStructure Structure,
    int Level,
    PhysicalAddress Address,
    Bits512 Before,
    Bits512 After,
    SourceId? Device)
{
    /// <summary>Bits of an entry of a structure.</summary>
    public static int WidthOf(WalkStructure structure) => structure switch
    {
        WalkStructure.PasidEntry => 512,
        WalkStructure.ScalableContext => 256,
        WalkStructure.Root or WalkStructure.Context or WalkStructure.ScalableRoot => 128,
        _ => 64,
    };

    /// <inheritdoc/>
    public override string ToString()
    {
        string what = Name + (Level == 0 ? string.Empty : $" of level {Level}");
        string where = Structure == WalkStructure.Request ? "RTADDR" : $"{Address.Value:X}h";
        string who = Device is { } device ? $" by device {device}" : string.Empty;
        return $"write {Number}{who}: {what} at {where}, {Hex(Before)} -> {Hex(After)}";
    }

    private string Name => Structure switch
    {
        WalkStructure.Request => "root pointer",
        WalkStructure.Root or WalkStructure.ScalableRoot => "root entry",
        WalkStructure.Context or WalkStructure.ScalableContext => "context entry",
        WalkStructure.PasidDirectory => "PASID directory entry",
        WalkStructure.PasidEntry => "PASID table entry",
        WalkStructure.FirstStage => "first-stage entry",
        _ => "second-stage entry",
    };

    private string Hex(Bits512 raw)
    {
        IEnumerable<string> words = Enumerable.Range(0, WidthOf(Structure) / 64).Reverse().Select(word => $"{raw.Word(word):X16}");
        return string.Join('_', words) + "h";
    }
}
