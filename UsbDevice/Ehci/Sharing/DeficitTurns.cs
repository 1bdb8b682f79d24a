namespace Dma.UsbDevice;

/// <summary>Deficit round robin in bus time: each turn adds a quantum to what a set may use, and lasts until that is used up.</summary>
/// <remarks>
/// What a visit costs is known only afterwards, so the last one of a turn may use too much: it is owed, and taken from the
/// next turn. A set without work saves nothing up, but keeps what it owes.
/// </remarks>
/// <param name="quantumNs">The quantum, in nanoseconds; not less than the longest visit, for turns of equal length.</param>
/// <param name="isWeighted">Whether the quantum of a set is multiplied by its weight.</param>
internal sealed class DeficitTurns(uint quantumNs, bool isWeighted) : TurnPolicy
{
    /// <inheritdoc/>
    public override bool Begin(EhciRegisterSet set)
    {
        BusShare share = set.Share;
        share.DeficitNs += isWeighted ? (long)quantumNs * share.Weight : quantumNs;
        return share.DeficitNs > 0;
    }

    /// <inheritdoc/>
    public override bool IsOver(EhciRegisterSet set, uint spentNs) => (set.Share.DeficitNs -= spentNs) <= 0;

    /// <inheritdoc/>
    public override void Left(EhciRegisterSet set) => set.Share.DeficitNs = Math.Min(set.Share.DeficitNs, 0);
}
