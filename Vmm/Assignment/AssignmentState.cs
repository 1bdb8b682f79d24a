namespace Dma.Vmm;

/// <summary>How far a device is on its way from the host to a VM, or back.</summary>
/// <remarks>
/// <code>
/// Host --Detach--> Detached --Reset--> Clean --Isolate--> Isolated --Expose--> Assigned
/// Host &lt;--Return-- Clean &lt;--Release-- Quiet &lt;--Quiesce-- Withdrawn &lt;--Withdraw--'
///
/// any of them --Quarantine--> Quarantined --Reset--> Clean
/// </code>
/// In every state but <see cref="Host"/> and <see cref="Assigned"/> the device is not bus master, so that none of its
/// requests leaves it; from <see cref="Isolated"/> to <see cref="Quiet"/> what it could send is translated.
/// </remarks>
public enum AssignmentState
{
    /// <summary>Never set.</summary>
    None = 0,

    /// <summary>The host has it.</summary>
    Host,

    /// <summary>No driver of the host has it.</summary>
    Detached,

    /// <summary>It was reset and holds nothing of its last owner.</summary>
    Clean,

    /// <summary>Its requests are translated by tables of its new owner, in which nothing is mapped yet.</summary>
    Isolated,

    /// <summary>The VM has it.</summary>
    Assigned,

    /// <summary>The VM no longer sees it.</summary>
    Withdrawn,

    /// <summary>It was stopped and reset.</summary>
    Quiet,

    /// <summary>
    /// Nobody has it: it did not come back from a reset, did not answer an invalidation, or did nothing but fault. Its
    /// requests and interrupts are blocked until a reset succeeds.
    /// </summary>
    Quarantined,
}
