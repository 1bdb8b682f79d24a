using System.Buffers.Binary;

namespace Dma.Machine;

/// <summary>An I/O APIC: pins become interrupt messages by a table that software writes (Intel 82093AA, with the EOI register of later ones).</summary>
/// <remarks>
/// Its messages are writes that carry its own source-id, so that interrupt remapping sees them as those of any other
/// requester; a table entry in the remappable format becomes a remappable message without a case of its own.
/// </remarks>
public sealed class IoApic : IMmioDevice, IInterruptPins
{
    /// <summary>How many pins it has.</summary>
    public const int Pins = 24;

    /// <summary>Bytes in its window of registers.</summary>
    public const ulong Length = 0x1000;

    private const ulong Select = 0x00;
    private const ulong Window = 0x10;
    private const ulong EndRegister = 0x40;

    // Behind the window: one doubleword for each index.
    private const int Identification = 0;
    private const int Version = 1;
    private const int Arbitration = 2;
    private const int FirstEntry = 0x10;
    private const ulong IdField = 0xF << 24;
    private const ulong VersionValue = 0x20 | ((Pins - 1) << 16);

    private readonly IDmaPort _port;
    private readonly RegisterFile _registers;
    private readonly bool[] _asserted = new bool[Pins];
    private byte _selected;

    /// <summary>An I/O APIC with all pins masked.</summary>
    /// <param name="fabric">What stands between its messages and the processors.</param>
    /// <param name="source">The requester that its messages carry.</param>
    public IoApic(IDmaFabric fabric, SourceId source)
    {
        _port = fabric.Open(source);
        _registers = new(4 * 256, [.. DeclareRegisters()]);
    }

    /// <summary>Some of its pins, as those of somebody who counts from 0.</summary>
    /// <param name="first">The pin that is 0 to them.</param>
    public IInterruptPins PinsFrom(int first) => new PinRange(this, first);

    /// <inheritdoc/>
    public void SetLevel(int pin, bool asserted)
    {
        bool rose = asserted && !_asserted[pin];
        _asserted[pin] = asserted;
        Entry entry = this[pin];
        if (entry.IsLevel)
            SendLevel(pin);
        else if (rose && !entry.IsMasked)
            Send(entry);
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int width) => (offset, width) switch
    {
        (Select, 4) => _selected,
        (Window, 4) => _registers.Read(4 * _selected, 4),
        _ => 0,
    };

    /// <inheritdoc/>
    public void Write(ulong offset, int width, ulong value)
    {
        switch (offset, width)
        {
            case (Select, 4):
                _selected = (byte)value;
                break;
            case (Window, 4):
                WriteSelected(value);
                break;
            case (EndRegister, 4):
                EndOfInterrupt((byte)value);
                break;
            default:
                // Reserved offsets and other widths do nothing.
                break;
        }
    }

    /// <summary>Software has ended a level-triggered interrupt: a pin that still asks for it sends again.</summary>
    public void EndOfInterrupt(byte vector)
    {
        for (int pin = 0; pin < Pins; pin++)
        {
            Entry entry = this[pin];
            if (!entry.IsLevel || entry.Vector != vector)
                continue;
            this[pin] = entry.WithRemoteRequest(false);
            SendLevel(pin);
        }
    }

    private Entry this[int pin]
    {
        get => new(new(_registers[4 * (FirstEntry + (2 * pin))] | (_registers[4 * (FirstEntry + (2 * pin) + 1)] << 32)));
        set => _registers[4 * (FirstEntry + (2 * pin))] = (uint)value.Raw.Value;
    }

    private static IEnumerable<Register> DeclareRegisters()
    {
        yield return new(4 * Identification, 4, "IOAPICID", new(0, Writable: IdField));
        yield return new(4 * Version, 4, "IOAPICVER", new(VersionValue));
        yield return new(4 * Arbitration, 4, "IOAPICARB", new(0));
        for (int pin = 0; pin < Pins; pin++)
        {
            yield return new(4 * (FirstEntry + (2 * pin)), 4, $"IOREDTBL{pin}", new(Entry.MaskBit, Entry.WritableLow));
            yield return new(4 * (FirstEntry + (2 * pin) + 1), 4, $"IOREDTBL{pin}H", new(0, Entry.WritableHigh));
        }
    }

    private void WriteSelected(ulong value)
    {
        _registers.Write(4 * _selected, 4, value);
        int pin = (_selected - FirstEntry) / 2;
        if (_selected < FirstEntry || pin >= Pins)
            return;

        // An entry that becomes edge-triggered forgets that it waits for an end of interrupt.
        if (this[pin].IsLevel)
            SendLevel(pin);
        else
            this[pin] = this[pin].WithRemoteRequest(false);
    }

    // A level is sent once until software ends the interrupt, and again if it is still there then.
    private void SendLevel(int pin)
    {
        Entry entry = this[pin];
        if (!_asserted[pin] || entry.IsMasked || entry.RemoteRequest)
            return;
        this[pin] = entry.WithRemoteRequest(true);
        Send(entry);
    }

    private void Send(Entry entry)
    {
        Span<byte> data = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(data, entry.MessageData);
        _ = _port.Write(new(entry.MessageAddress), data);
    }

    /// <summary>One entry of the redirection table.</summary>
    private readonly record struct Entry(Bits64 Raw)
    {
        public const ulong MaskBit = 1 << 16;
        public const ulong WritableLow = 0x1_AFFF;
        public const ulong WritableHigh = 0xFFFF_0000;

        private const int Level = 15;
        private const int RemoteRequestBit = 14;
        private const uint LevelAsserted = 0b11 << 14;

        public byte Vector => (byte)Raw.Bits(7, 0);

        public bool RemoteRequest => Raw.Bit(RemoteRequestBit);

        public bool IsLevel => Raw.Bit(Level);

        public bool IsMasked => Raw.Any(MaskBit);

        // Bits 63:48 are destination or handle, bit 11 is destination mode or the handle's bit 15; both go where the address has them.
        public ulong MessageAddress => InterruptRange.First | (Raw.Bits(63, 48) << 4) | (Raw.Bits(11, 11) << 2);

        public uint MessageData => (uint)Raw.Bits(10, 0) | (IsLevel ? LevelAsserted : 0);

        public Entry WithRemoteRequest(bool waits) => new(Raw.With(RemoteRequestBit, waits));
    }

    private sealed class PinRange(IoApic controller, int first) : IInterruptPins
    {
        public void SetLevel(int pin, bool asserted) => controller.SetLevel(first + pin, asserted);
    }
}
