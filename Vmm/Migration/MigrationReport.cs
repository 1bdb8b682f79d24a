namespace Dma.Vmm;

/// <summary>What became of a migration.</summary>
/// <param name="Refusal"><see cref="MigrationRefusal.None"/>, or why the VM stayed.</param>
/// <param name="Reason">The same in words.</param>
/// <param name="Machine">The VM on the other computer; null where it stayed.</param>
/// <param name="Rounds">The rounds of copying, the last one with the guest stopped.</param>
/// <param name="TotalNs">From the beginning to the end, in nanoseconds of virtual time.</param>
/// <param name="DowntimeNs">How long the guest was stopped; of one that stayed, too.</param>
/// <param name="DeviceOutageNs">How long the guest was without devices: from when it was asked for them until it ran again; 0 where it has none.</param>
public sealed record MigrationReport(
    MigrationRefusal Refusal, string Reason, VirtualMachine? Machine, IReadOnlyList<MigrationRound> Rounds,
    ulong TotalNs, ulong DowntimeNs, ulong DeviceOutageNs)
{
    /// <summary>Whether it moved.</summary>
    public bool IsDone => Refusal == MigrationRefusal.None;
}
