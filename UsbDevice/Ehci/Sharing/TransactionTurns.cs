namespace Dma.UsbDevice;

/// <summary>Round robin by transaction: one visit to a queue head, then the next set.</summary>
/// <remarks>Visits without a transaction count as well, so that a list without work or end holds nobody up.</remarks>
internal sealed class TransactionTurns : TurnPolicy
{
    /// <inheritdoc/>
    public override bool IsOver(EhciRegisterSet set, uint spentNs) => true;
}
