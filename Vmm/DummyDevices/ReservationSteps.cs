namespace Dma.Vmm;

/// <summary>Steps of a reservation that can be left out, to show what each is there for.</summary>
[Flags]
public enum ReservationSteps
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Dummy devices: without them no VM learns of what others reserve, and nobody asks.</summary>
    Dummies = 1 << 0,

    /// <summary>The controller stops a register set that uses more than its VM was granted.</summary>
    Policing = 1 << 1,

    /// <summary>One request at a time: without that, several are checked before the first of them counts.</summary>
    Serialisation = 1 << 2,

    /// <summary>A VM that comes later gets the dummies that all others have already: without that, it learns of nothing that was there before it.</summary>
    Latecomers = 1 << 3,

    /// <summary>A refusal counts where the books leave room for it: without that, one VM can refuse all others everything, for ever.</summary>
    Doubt = 1 << 4,

    /// <summary>What slow devices take of the bus below a hub is not taken of the bus above: without that, both are one, and slow devices are refused what there is time for.</summary>
    Translators = 1 << 5,
}
