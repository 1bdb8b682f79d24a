using Dma.Machine;

namespace Dma.Devices;

/// <summary>A small device with one bad habit. What it does besides is nothing.</summary>
/// <remarks>
/// Whoever has it gives it a buffer, lets it <see cref="Prepare"/>, takes the buffer back, and lets it
/// <see cref="Misbehave"/>. A well-kept device would do nothing then: all that it does is more than it may.
/// </remarks>
public abstract class RogueDevice : PciFunction
{
    /// <summary>The bytes that it writes where it gets through.</summary>
    public const byte Mark = 0xA5;

    /// <summary>How many bytes it reads or writes.</summary>
    public const int Bytes = 64;

    private const ushort Vendor = 0x1234;
    private const ushort Device = 0xBAD0;

    /// <summary>A device with an interrupt message, behind a port of the root complex.</summary>
    protected RogueDevice()
        : base(new PciIdentity(Vendor, Device, ClassCode: 0xFF_0000))
    {
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.Endpoint));
    }

    /// <summary>What it does, after "it".</summary>
    public abstract string Habit { get; }

    /// <summary>What came in by reads that it should not have made; zeros where nothing did.</summary>
    public byte[] Loot { get; } = new byte[Bytes];

    /// <summary>What it does while it may still use its buffer: nothing, for most.</summary>
    public virtual void Prepare(in RogueTarget target)
    {
    }

    /// <summary>What it does once it may not.</summary>
    /// <returns>What the bus says of it; of several requests, of the last.</returns>
    public abstract DmaStatus Misbehave(in RogueTarget target);

    /// <summary>It has no registers.</summary>
    public override ulong ReadBar(int bar, ulong offset, int width) => RegisterFile.AllOnes(width);

    /// <summary>It has no registers.</summary>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
    }

    /// <summary>Writes its mark.</summary>
    protected static DmaStatus WriteMark(IDmaPort way, ulong address, DmaAttributes attributes = default)
    {
        Span<byte> mark = stackalloc byte[Bytes];
        mark.Fill(Mark);
        return way.Write(new(address), mark, attributes);
    }

    /// <inheritdoc/>
    protected override void OnReset() => Array.Clear(Loot);
}
