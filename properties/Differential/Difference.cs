using Dma.Iommu;
using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>One thing on which the two machines do not agree after a step.</summary>
/// <param name="Step">The step.</param>
/// <param name="What">A register by its name, <c>data</c>, or <c>memory</c>.</param>
/// <param name="Ours">Its value on our side; 0 for data and memory.</param>
/// <param name="Theirs">Its value on the other side.</param>
/// <param name="Text">The difference in words.</param>
internal sealed record Difference(DifferentialStep Step, string What, ulong Ours, ulong Theirs, string Text)
{
    /// <summary>What our unit met in this step.</summary>
    public required IReadOnlyList<(RemappingFault Fault, FaultDisposition Disposition)> Faults { get; init; }

    /// <summary>Where each page of the access landed.</summary>
    public required IReadOnlyList<PageAccess> Answers { get; init; }

    /// <summary>Registers of our side after the step, by name.</summary>
    public required IReadOnlyDictionary<string, ulong> OurRegisters { get; init; }

    /// <summary>Registers of the other side after the step, by name.</summary>
    public required IReadOnlyDictionary<string, ulong> TheirRegisters { get; init; }

    /// <summary>Our unit.</summary>
    public required HardwareProfile Profile { get; init; }

    /// <summary>The tables, as our unit sees them.</summary>
    public required TableView Tables { get; init; }

    /// <summary>The bits that are not the same.</summary>
    public ulong Bits => Ours ^ Theirs;

    /// <summary>The reason in our record, if it holds a fault.</summary>
    public FaultReason OurReason => Reason(OurRegisters);

    /// <summary>The reason in their record, if it holds a fault.</summary>
    public FaultReason TheirReason => Reason(TheirRegisters);

    private static FaultReason Reason(IReadOnlyDictionary<string, ulong> registers) =>
        registers["FRCD_HI"] >> 63 == 0 ? FaultReason.None : (FaultReason)((registers["FRCD_HI"] >> 32) & 0xFF);
}
