namespace Dma.Lab;

/// <summary>The arguments of a step while it is taken.</summary>
/// <param name="world">The world.</param>
/// <param name="arguments">The arguments.</param>
internal readonly struct StepArguments(IsolationWorld world, IReadOnlyList<Argument> arguments)
{
    /// <summary>How many there are.</summary>
    public int Count => arguments.Count;

    /// <summary>A number.</summary>
    public ulong this[int index] => arguments[index].Number;

    /// <summary>A VM.</summary>
    public WorldGuest Guest(int index) => world.Guests[(int)arguments[index].Number];

    /// <summary>A device.</summary>
    public WorldDevice Device(int index) => world.Devices[(int)arguments[index].Number];

    /// <summary>The number that a place is now.</summary>
    /// <param name="index">Which argument.</param>
    /// <param name="guest">Whose step it is; null for nobody's.</param>
    /// <param name="device">The device of the step; null for none.</param>
    public ulong Address(int index, WorldGuest? guest, WorldDevice? device) => world.AddressOf(arguments[index].Place, guest, device);
}
