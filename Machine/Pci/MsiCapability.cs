using System.Numerics;

namespace Dma.Machine;

/// <summary>Message-signalled interrupts, one message and some low bits of data for up to 32 vectors (PCI Express base, 7.7.1).</summary>
public sealed class MsiCapability : PciCapability
{
    private const int Control = 0x02;
    private const int AddressLow = 0x04;
    private const int AddressHigh = 0x08;
    private const ulong EnableBit = 1 << 0;
    private const int EnabledVectorsShift = 4;
    private const ulong EnabledVectorsMask = 7;
    private const ulong Is64BitBit = 1 << 7;
    private const ulong PerVectorMaskingBit = 1 << 8;

    private readonly int _vectors;
    private readonly bool _is64Bit;
    private readonly bool _perVectorMasking;

    /// <summary>An MSI capability.</summary>
    /// <param name="vectors">How many vectors the function asks for: 1, 2, 4, 8, 16 or 32.</param>
    /// <param name="is64Bit">Whether the message address has an upper half.</param>
    /// <param name="perVectorMasking">Whether each vector can be masked; what comes meanwhile stays pending.</param>
    public MsiCapability(int vectors = 1, bool is64Bit = true, bool perVectorMasking = true)
        : base(PciCapabilityId.Msi, (is64Bit ? 14 : 10) + (perVectorMasking ? 10 : 0))
    {
        if (vectors is < 1 or > 32 || !BitOperations.IsPow2(vectors))
            throw new ArgumentOutOfRangeException(nameof(vectors), "1, 2, 4, 8, 16 or 32 vectors.");
        (_vectors, _is64Bit, _perVectorMasking) = (vectors, is64Bit, perVectorMasking);
    }

    /// <summary>Whether software turned it on; INTx is silent then.</summary>
    public bool IsEnabled => (this[Control] & EnableBit) != 0;

    /// <summary>How many vectors software gave, at most as many as asked for.</summary>
    public int EnabledVectors => Math.Min(_vectors, 1 << (int)((this[Control] >> EnabledVectorsShift) & EnabledVectorsMask));

    /// <summary>What a vector sends now; null while it is masked or messages are off.</summary>
    /// <param name="vector">Below <see cref="EnabledVectors"/>.</param>
    public MessageInterrupt? MessageOf(int vector) =>
        IsEnabled && !(_perVectorMasking && new Bits64(this[Mask]).Bit(vector)) ? Message(vector) : null;

    private int Data => _is64Bit ? 0x0C : 0x08;

    private int Mask => Data + 4;

    private int Pending => Data + 8;

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers
    {
        get
        {
            ulong control = ((ulong)BitOperations.Log2((uint)_vectors) << 1)
                | (_is64Bit ? Is64BitBit : 0) | (_perVectorMasking ? PerVectorMaskingBit : 0);
            yield return new(Control, 2, "MC", new(control, Writable: EnableBit | (EnabledVectorsMask << EnabledVectorsShift)));
            yield return new(AddressLow, 4, "MA", new(0, Writable: 0xFFFF_FFFC));
            if (_is64Bit)
                yield return new(AddressHigh, 4, "MUA", new(0, Writable: 0xFFFF_FFFF));
            yield return new(Data, 2, "MD", new(0, Writable: 0xFFFF));
            if (!_perVectorMasking)
                yield break;
            yield return new(Mask, 4, "MMASK", new(0, Writable: Bits64.Mask(_vectors - 1, 0)));
            yield return new(Pending, 4, "MPEND", new(0));
        }
    }

    /// <summary>Raises a vector: the message goes out, or stays pending while the vector is masked.</summary>
    /// <param name="vector">The vector; where software gave fewer, the upper bits are dropped.</param>
    internal void Raise(int vector)
    {
        int given = vector & (EnabledVectors - 1);
        if (_perVectorMasking && new Bits64(this[Mask]).Bit(given))
            this[Pending] |= 1ul << given;
        else
            Send(given);
    }

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        if (write.Offset == Control)
            Function.Refresh();
        if (!_perVectorMasking || !IsEnabled)
            return;

        // What became unmasked meanwhile goes out now, lowest vector first.
        ulong ready = this[Pending] & ~this[Mask];
        this[Pending] &= ~ready;
        for (; ready != 0; ready &= ready - 1)
            Send(BitOperations.TrailingZeroCount(ready));
    }

    private void Send(int vector)
    {
        MessageInterrupt message = Message(vector);
        Function.SendMessage(message.Address, message.Data);
    }

    // Only the low bits of the data that software gave away carry the vector.
    private MessageInterrupt Message(int vector)
    {
        ulong address = this[AddressLow] | (_is64Bit ? this[AddressHigh] << 32 : 0);
        uint given = (uint)EnabledVectors - 1;
        return new(address, ((uint)this[Data] & ~given) | ((uint)vector & given));
    }
}
