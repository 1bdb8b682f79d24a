namespace Dma.Vmm;

/// <summary>Who a frame of host memory belongs to. <c>default</c> is no frame at all.</summary>
/// <param name="Value">0 none, 1 free, 2 the VMM, 3 and above a virtual machine.</param>
public readonly record struct FrameOwner(ushort Value)
{
    private const ushort FirstGuest = 3;

    /// <summary>The highest number of a virtual machine.</summary>
    public const int GuestMax = ushort.MaxValue - FirstGuest;

    /// <summary>No memory is at this address.</summary>
    public static FrameOwner None => default;

    /// <summary>Nobody.</summary>
    public static FrameOwner Free => new(1);

    /// <summary>The VMM: translation tables of every kind, and the memory of its own software.</summary>
    public static FrameOwner Vmm => new(2);

    /// <summary>Whether it is a virtual machine.</summary>
    public bool IsGuest => Value >= FirstGuest;

    /// <summary>A virtual machine.</summary>
    /// <param name="number">Its number, 0 to <see cref="GuestMax"/>.</param>
    public static FrameOwner Guest(int number)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)number, (uint)GuestMax);
        return new((ushort)(FirstGuest + number));
    }

    /// <summary>The name of the owner.</summary>
    public override string ToString() => Value switch
    {
        0 => "none",
        1 => "free",
        2 => "VMM",
        _ => $"VM {Value - FirstGuest}",
    };
}
