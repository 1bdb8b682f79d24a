namespace Dma.Vmm;

/// <summary>What became of a turn that was to begin.</summary>
internal enum TurnOutcome
{
    /// <summary>Nothing was tried.</summary>
    None,

    /// <summary>The VM has the controller.</summary>
    Given,

    /// <summary>It has not: the remapping unit has no room for its context entry, or the controller did not take its state back, which the VM finds out.</summary>
    Refused,

    /// <summary>Nobody has it any more: it did not even reset.</summary>
    Lost,
}
