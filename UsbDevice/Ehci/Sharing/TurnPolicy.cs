namespace Dma.UsbDevice;

/// <summary>How the asynchronous time of the bus is shared out between register sets: when a turn begins and when it is over.</summary>
internal abstract class TurnPolicy
{
    /// <summary>Whether every microframe begins with the set of the lowest number.</summary>
    public virtual bool BeginsWithFirst => false;

    /// <summary>The turn of a set begins.</summary>
    /// <returns>Whether it may use it.</returns>
    public virtual bool Begin(EhciRegisterSet set) => true;

    /// <summary>A set used time in its turn: a visit to a queue head of its list, with or without a transaction.</summary>
    /// <param name="set">The set.</param>
    /// <param name="spentNs">How much, in nanoseconds.</param>
    /// <returns>Whether its turn is over.</returns>
    public abstract bool IsOver(EhciRegisterSet set, uint spentNs);

    /// <summary>A set has no more work in this microframe.</summary>
    public virtual void Left(EhciRegisterSet set)
    {
    }
}
