namespace Dma.Machine;

/// <summary>What became of a bus transaction, as far as the bus can tell.</summary>
public enum DmaStatus
{
    /// <summary>Never issued.</summary>
    None = 0,

    /// <summary>All bytes moved.</summary>
    Success,

    /// <summary>Refused by remapping: reads complete as Unsupported Request, posted writes are dropped.</summary>
    Blocked,

    /// <summary>Nothing answers at the target address: reads complete as Unsupported Request, posted writes are dropped.</summary>
    Unclaimed,

    /// <summary>The requester is not allowed to start transactions (bus master enable is off); nothing left the device.</summary>
    NotMaster,

    /// <summary>Refused by the access control services of a port above: reads complete as Completer Abort, posted writes are dropped.</summary>
    AccessViolation,
}
