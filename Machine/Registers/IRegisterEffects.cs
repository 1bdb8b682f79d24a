namespace Dma.Machine;

/// <summary>What a device does when software writes one of its registers.</summary>
public interface IRegisterEffects
{
    /// <summary>Called after the masks were applied, once for each register that the access touched, lowest offset first.</summary>
    void Written(in RegisterWrite write);
}

/// <summary>One write to one register.</summary>
/// <param name="Offset">The offset at which the register was declared.</param>
/// <param name="Before">Its value before.</param>
/// <param name="After">Its value now.</param>
/// <param name="Written">What software wrote, at its place in the register; zero in bytes not covered.</param>
/// <param name="EnabledBytes">FFh in each byte that the access covered.</param>
public readonly record struct RegisterWrite(int Offset, ulong Before, ulong After, ulong Written, ulong EnabledBytes)
{
    /// <summary>Whether a one was written to the bit.</summary>
    public bool WroteOne(int bit) => ((Written >> bit) & 1) != 0;

    /// <summary>Whether the bit rose with this write.</summary>
    public bool Rose(int bit) => ((After & ~Before) >> bit & 1) != 0;

    /// <summary>Whether the bit fell with this write.</summary>
    public bool Fell(int bit) => ((Before & ~After) >> bit & 1) != 0;
}
