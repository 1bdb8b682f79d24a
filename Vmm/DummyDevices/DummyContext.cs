using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What all mirrors of a controller have in common.</summary>
/// <param name="Loop">The time.</param>
/// <param name="Changed">Raised when the driver of any dummy did something.</param>
/// <param name="Answered">Called for each answer of a driver, with the register set of its VM.</param>
/// <param name="MayLackTime">Whether the books of a VM, by its register set, can be full of what it is known to have.</param>
/// <param name="ConductOf">How the drivers of a VM behaved, by its register set.</param>
/// <param name="Options">How long drivers are waited for.</param>
/// <param name="Counts">What became of reservations.</param>
internal sealed record DummyContext(
    EventLoop Loop,
    Signal Changed,
    Action<int> Answered,
    Func<int, bool> MayLackTime,
    Func<int, DummyConduct> ConductOf,
    DummyOptions Options,
    ReservationCounts Counts);
