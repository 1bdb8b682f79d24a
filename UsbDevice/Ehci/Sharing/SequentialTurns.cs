namespace Dma.UsbDevice;

/// <summary>One set after the other, and the first one first: whoever has enough work starves those behind it.</summary>
internal sealed class SequentialTurns : TurnPolicy
{
    /// <inheritdoc/>
    public override bool BeginsWithFirst => true;

    /// <inheritdoc/>
    public override bool IsOver(EhciRegisterSet set, uint spentNs) => false;
}
