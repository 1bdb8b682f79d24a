using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What a request needs of a translation in scalable mode, after its PASID entry had its say.</summary>
/// <param name="Write">Whether it writes; a translation request, whether it asks for the right.</param>
/// <param name="Wanted">The rights of the second stage of which it needs one.</param>
/// <param name="Needed">The rights that it needs all of.</param>
/// <param name="WriteNeeds">The rights that writes need besides <see cref="Translation.Write"/>.</param>
/// <param name="ExecuteBars">What bars execution: under SMEP, that user requests may use the page.</param>
/// <param name="Executes">Whether it executes what it reads.</param>
internal readonly record struct Demand(bool Write, ulong Wanted, ulong Needed, ulong WriteNeeds, ulong ExecuteBars, bool Executes)
{
    /// <summary>What a request needs.</summary>
    /// <param name="access">The request.</param>
    /// <param name="info">The PASID entry.</param>
    /// <param name="privileged">Whether it counts as a supervisor request.</param>
    /// <param name="executes">Whether it counts as a request to execute.</param>
    public static Demand Of(in Access access, in PasidInfo info, bool privileged, bool executes)
    {
        bool question = access.Type == AddressType.Translation;
        ulong writeNeeds = privileged && !info.Has(PasidFlags.WriteProtect) ? 0 : Translation.FirstWrite;
        ulong needed = privileged ? 0 : Translation.User;
        if (access.Attributes.Atomic)
            needed |= Translation.Read;
        if (access.Write && !question)
            needed |= writeNeeds;

        // Writing is no execution, and a question gets whatever part of the rights there is.
        bool fetches = executes && !access.Write && !question;
        if (fetches)
            needed |= Translation.Execute;

        // SMEP speaks of first-stage pages; where there is no first stage, all rights of it are granted.
        bool prevented = privileged && info.FirstLevels != 0 && info.Has(PasidFlags.SupervisorExecutionPrevented);
        ulong bars = prevented ? Translation.User : 0;
        return new(access.Write, access.Wanted, needed, writeNeeds, bars, fetches);
    }

    /// <summary>Whether a translation lets the access pass as it is, with no dirty bit left to be set.</summary>
    public bool IsGrantedBy(Translation translation) =>
        translation.Grants(Wanted)
        && (translation.Raw & Needed) == Needed
        && (!Executes || MayExecute(translation))
        && !(Writes(translation) && translation.Grants(Translation.Clean));

    /// <summary>Whether the page is written, or may be: asked for, and granted.</summary>
    public bool Writes(Translation translation) =>
        Write && translation.Grants(Translation.Write) && MayWrite(translation.Raw);

    /// <summary>Whether the first stage permits writes.</summary>
    public bool MayWrite(ulong rights) => (rights & WriteNeeds) == WriteNeeds;

    /// <summary>Whether the page can be executed.</summary>
    public bool MayExecute(Translation translation) =>
        translation.Grants(Translation.Read) && translation.Grants(Translation.Execute) && !translation.Grants(ExecuteBars);

    /// <summary>What one entry of the first stage has against the access.</summary>
    public FaultReason JudgeFirstStageEntry(ulong rights)
    {
        // SGN.2: user requests need U/S in all entries. SGN.6: writes need R/W in all of them. SGN.3: execution.
        ulong missing = Needed & ~rights;
        if ((missing & Translation.User) != 0)
            return FaultReason.UserNotPermitted;
        if ((missing & Translation.FirstWrite) != 0)
            return FaultReason.ScalableWriteNotPermitted;
        return (missing & Translation.Execute) != 0 ? FaultReason.ExecuteNotPermitted : FaultReason.None;
    }

    /// <summary>What all entries of the first stage together have against the access.</summary>
    public FaultReason JudgeFirstStage(ulong rights)
    {
        FaultReason fault = JudgeFirstStageEntry(rights);
        return fault == FaultReason.None && Executes && (rights & ExecuteBars) != 0 ? FaultReason.ExecuteNotPermitted : fault;
    }

    /// <summary>What the second stage has against the access.</summary>
    public FaultReason JudgeSecondStage(ulong rights)
    {
        // SGN.6 and SGN.7: every entry on the way must grant the right; an atomic operation reads, too.
        if ((rights & Wanted) == 0)
            return Write ? FaultReason.ScalableWriteNotPermitted : FaultReason.ScalableReadNotPermitted;
        return (Needed & ~rights & Translation.Read) != 0 ? FaultReason.ScalableReadNotPermitted : FaultReason.None;
    }
}
