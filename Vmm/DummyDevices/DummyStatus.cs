namespace Dma.Vmm;

/// <summary>How far the driver of a dummy is.</summary>
public enum DummyState
{
    /// <summary>There is no dummy.</summary>
    None = 0,

    /// <summary>It is plugged in, and no driver has it.</summary>
    Plugged,

    /// <summary>Its driver has nothing to reserve.</summary>
    Bound,

    /// <summary>Its driver is to reserve more than it has.</summary>
    Reserving,

    /// <summary>Its driver has reserved what it shall.</summary>
    Reserved,

    /// <summary>Its driver has reserved more than it shall.</summary>
    Releasing,
}

/// <summary>A dummy device, and what became of it.</summary>
/// <param name="Port">The root port of the device that it stands for, from 1.</param>
/// <param name="Owner">The register set of the VM that has the device.</param>
/// <param name="Set">The register set of the VM that has the dummy.</param>
/// <param name="GuestPort">The port of that VM in which it is, from 1.</param>
/// <param name="State">How far its driver is.</param>
/// <param name="NeedNs">What shall be reserved, in nanoseconds of each microframe.</param>
/// <param name="ReservedNs">What is reserved.</param>
public readonly record struct DummyStatus(int Port, int Owner, int Set, int GuestPort, DummyState State, uint NeedNs, uint ReservedNs);
