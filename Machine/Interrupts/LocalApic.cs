namespace Dma.Machine;

/// <summary>The local APIC of one processor: what arrives, what masks it, and the registers by which software decides (Intel SDM volume 3, chapter 11).</summary>
/// <remarks>
/// Registers are doublewords at every sixteenth byte. A read of another width gives the bytes that the registers have
/// there; a write that is not a doubleword at the start of a register does nothing. A place without a register is an
/// illegal register address. What is told to a register that only reads is lost.
/// <para>
/// After a reset the APIC is turned off, and software that turns it on ends its interrupts itself. Until then it
/// serves the vectors that somebody waits for: see <see cref="IsDriven"/>.
/// </para>
/// </remarks>
public sealed class LocalApic : IMmioDevice, IInterruptPins
{
    /// <summary>Where each processor finds its own.</summary>
    public const ulong Start = 0xFEE0_0000;

    /// <summary>Bytes in its page of registers.</summary>
    public const ulong Length = 0x1000;

    /// <summary>The lowest vector of an interrupt; those below are exceptions of the processor.</summary>
    public const byte FirstVector = 16;

    private const int Fixed = 0;
    private const int NonMaskable = 4;
    private const uint FlatModel = 0xF;

    private readonly ILocalApicHost _host;
    private readonly RegisterFile _registers;
    private readonly InterruptPriorities _priorities = new();
    private readonly LocalApicTimer _timer;
    private readonly Effects _effects;
    private readonly bool[] _pins = new bool[2];
    private LocalApicErrors _errors;

    internal LocalApic(byte id, EventLoop loop, ILocalApicHost host)
    {
        (Id, _host) = (id, host);
        _registers = new((int)Length, [.. LocalApicRegisters.Declare(id)]);
        _timer = new(loop, () => RaiseOwn(LocalApicOffsets.TimerEntry));
        _effects = new(this);
    }

    /// <summary>The id of its processor.</summary>
    public byte Id { get; }

    /// <summary>Whether software has turned it on since the last reset, and so ends its interrupts itself.</summary>
    /// <remarks>Before that it takes vectors that are connected to a signal, and whoever takes them ends them at once.</remarks>
    public bool IsDriven { get; private set; }

    /// <summary>PPR: interrupts of this class, bits 7:4, and below wait.</summary>
    public byte ProcessorPriority => _priorities.ProcessorPriority;

    /// <summary>Whether an interrupt could be taken now.</summary>
    public bool IsDue => _priorities.IsDue;

    /// <summary>Whether the interrupt that a write to EOI ends came level-triggered.</summary>
    public bool EndsLevel => _priorities.InService.Highest is >= 0 and int vector && _priorities.Levels.Contains((byte)vector);

    /// <summary>How many ends of interrupts were told, those that had nothing to end included.</summary>
    public ulong Ends { get; private set; }

    private SpuriousVector Spurious => new(new((uint)_registers[LocalApicOffsets.SpuriousVector]));

    /// <summary>Whether a vector that was taken has not ended.</summary>
    public bool IsInService(byte vector) => _priorities.InService.Contains(vector);

    /// <inheritdoc/>
    public ulong Read(ulong offset, int width)
    {
        if (!IsThere(offset))
            return 0;
        Refresh((int)offset);
        return _registers.Read((int)offset, width);
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int width, ulong value)
    {
        if (IsThere(offset) && width == sizeof(uint) && offset % LocalApicRegisters.Step == 0)
            _registers.Write((int)offset, width, value, _effects);
    }

    /// <summary>One of its two pins, LINT0 and LINT1, changes.</summary>
    /// <inheritdoc/>
    public void SetLevel(int pin, bool asserted)
    {
        bool rose = asserted && !_pins[pin];
        _pins[pin] = asserted;
        int offset = OfPin(pin);
        if (IsLevel(Entry(offset)))
            RaiseLevel(pin);
        else if (rose)
            RaiseOwn(offset);
    }

    /// <summary>Back to what it was after power-on; the levels of pins are what they are.</summary>
    public void Reset()
    {
        _registers.Reset();
        _priorities.Clear();
        _timer.Reset();
        (_errors, IsDriven) = (LocalApicErrors.None, false);
    }

    /// <summary>A fixed interrupt arrives.</summary>
    /// <returns><c>false</c> where it is refused: a vector below 16, one that nobody handles, or the APIC is turned off.</returns>
    internal bool Accept(byte vector, bool isLevel)
    {
        if (!TryRequest(vector, isLevel))
            return false;
        _host.Offer();
        return true;
    }

    /// <summary>Many edge-triggered interrupts arrive at once: the highest goes first.</summary>
    public void Accept(in Bits256 vectors)
    {
        for (int word = 0; word < 4; word++)
        {
            for (ulong left = vectors.Word(word); left != 0; left &= left - 1)
                _ = TryRequest((byte)((64 * word) + System.Numerics.BitOperations.TrailingZeroCount(left)), isLevel: false);
        }

        _host.Offer();
    }

    /// <summary>The processor takes the interrupt that goes next.</summary>
    /// <returns><c>false</c> where none is due.</returns>
    internal bool TryTake(out byte vector) => _priorities.TryTake(out vector);

    /// <summary>Whether a logical destination is, or is among others, this processor.</summary>
    internal bool IsNamed(byte logical)
    {
        uint own = (uint)_registers[LocalApicOffsets.LogicalDestination] >> 24;
        if ((uint)_registers[LocalApicOffsets.DestinationFormat] >> 28 == FlatModel)
            return (own & logical) != 0;

        // Clusters: the same one of 15, and a bit of four in common.
        return own >> 4 == logical >> 4 && (own & logical & 0xF) != 0;
    }

    /// <summary>Ends the interrupt of the highest priority in service, as a write to EOI does.</summary>
    internal void End()
    {
        Ends++;
        int ended = _priorities.End();
        if (ended >= 0 && _priorities.Levels.Contains((byte)ended))
            EndLevel((byte)ended);
        _host.Offer();
    }

    // Only fixed interrupts have a level: an NMI is an edge, whatever its entry says.
    private static bool IsLevel(LocalVectorEntry entry) => entry.IsLevel && entry.DeliveryMode == Fixed;

    private static int OfPin(int pin) => pin == 0 ? LocalApicOffsets.Pin0Entry : LocalApicOffsets.Pin1Entry;

    private LocalVectorEntry Entry(int offset) => new(new((uint)_registers[offset]));

    private bool TryRequest(byte vector, bool isLevel)
    {
        if (vector < FirstVector)
        {
            Report(LocalApicErrors.ReceiveIllegalVector);
            return false;
        }

        if (IsDriven ? !Spurious.IsEnabled : !_host.Handles(vector))
            return false;
        _priorities.Request(vector, isLevel);
        return true;
    }

    // Who never turned the APIC on knows of no I/O APIC either.
    private void EndLevel(byte vector)
    {
        for (int pin = 0; pin < _pins.Length; pin++)
        {
            LocalVectorEntry entry = Entry(OfPin(pin));
            if (!entry.RemoteRequest || entry.Vector != vector)
                continue;
            _registers[OfPin(pin)] = (entry with { RemoteRequest = false }).Raw.Value;
            RaiseLevel(pin);
        }

        if (IsDriven && !Spurious.SuppressesBroadcast)
            _host.EndLevel(vector);
    }

    // A level is taken once until its end, and again if it is still there then.
    private void RaiseLevel(int pin)
    {
        LocalVectorEntry entry = Entry(OfPin(pin));
        if (!_pins[pin] || entry.RemoteRequest || entry.IsMasked || !TryRequest(entry.Vector, isLevel: true))
            return;
        _registers[OfPin(pin)] = (entry with { RemoteRequest = true }).Raw.Value;
        _host.Offer();
    }

    private void RaiseOwn(int offset)
    {
        LocalVectorEntry entry = Entry(offset);
        if (entry.IsMasked)
            return;
        if (entry.DeliveryMode == Fixed)
            _ = Accept(entry.Vector, isLevel: false);
        else if (entry.DeliveryMode == NonMaskable)
            _ = _host.NonMaskable();
    }

    // Errors gather until software writes the register, and then show.
    private void Report(LocalApicErrors error)
    {
        _errors |= error;
        LocalVectorEntry entry = Entry(LocalApicOffsets.ErrorEntry);
        if (entry.IsMasked)
            return;
        if (entry.Vector >= FirstVector)
            _ = Accept(entry.Vector, isLevel: false);
        else
            _errors |= LocalApicErrors.ReceiveIllegalVector;
    }

    private bool IsThere(ulong offset)
    {
        bool isThere = _registers.Covers((int)offset & ~(LocalApicRegisters.Step - 1));
        if (!isThere && offset < LocalApicOffsets.End)
            Report(LocalApicErrors.IllegalRegisterAddress);
        return isThere;
    }

    // What changes without a write is put into its register when it is asked for.
    private void Refresh(int offset)
    {
        int place = offset & ~(LocalApicRegisters.Step - 1);
        int index = place / LocalApicRegisters.Step % 8;
        _registers[place] = place switch
        {
            LocalApicOffsets.ProcessorPriority => ProcessorPriority,
            >= LocalApicOffsets.InService and < LocalApicOffsets.TriggerMode => _priorities.InService.Doubleword(index),
            >= LocalApicOffsets.TriggerMode and < LocalApicOffsets.InterruptRequest => _priorities.Levels.Doubleword(index),
            >= LocalApicOffsets.InterruptRequest and < LocalApicOffsets.ErrorStatus => _priorities.Requests.Doubleword(index),
            LocalApicOffsets.CurrentCount => _timer.CurrentCount,
            _ => _registers[place],
        };
    }

    private void Written(in RegisterWrite write)
    {
        switch (write.Offset)
        {
            case LocalApicOffsets.TaskPriority:
                _priorities.TaskPriority = (byte)write.After;
                _host.Offer();
                break;
            case LocalApicOffsets.EndOfInterrupt:
                End();
                break;
            case LocalApicOffsets.SpuriousVector:
                SpuriousVectorWritten();
                break;
            case LocalApicOffsets.ErrorStatus:
                _registers[LocalApicOffsets.ErrorStatus] = (ulong)_errors;
                _errors = LocalApicErrors.None;
                break;
            case LocalApicOffsets.InterruptCommand:
                Send(new(new((_registers[LocalApicOffsets.InterruptCommandHigh] << 32) | write.After)));
                break;
            case LocalApicOffsets.TimerEntry or LocalApicOffsets.Pin0Entry or LocalApicOffsets.Pin1Entry or LocalApicOffsets.ErrorEntry:
                EntryWritten(write.Offset);
                break;
            case LocalApicOffsets.InitialCount:
                _timer.Start((uint)write.After);
                break;
            case LocalApicOffsets.DivideConfiguration:
                _timer.Divide((uint)write.After);
                break;
            default:
                // Destinations, and registers that only read.
                break;
        }
    }

    private void SpuriousVectorWritten()
    {
        IsDriven |= Spurious.IsEnabled;
        if (Spurious.IsEnabled)
            return;

        // Turned off: every entry is masked. What is in service or waits stays as it is.
        foreach (int offset in (ReadOnlySpan<int>)[LocalApicOffsets.TimerEntry, LocalApicOffsets.Pin0Entry, LocalApicOffsets.Pin1Entry, LocalApicOffsets.ErrorEntry])
            _registers[offset] |= LocalApicRegisters.Masked;
    }

    private void EntryWritten(int offset)
    {
        if (!Spurious.IsEnabled)
            _registers[offset] |= LocalApicRegisters.Masked;
        LocalVectorEntry entry = Entry(offset);
        if (offset == LocalApicOffsets.TimerEntry)
            _timer.SetPeriodic(entry.IsPeriodic);
        else if (IsLevel(entry))
            RaiseLevel(offset == LocalApicOffsets.Pin0Entry ? 0 : 1);
        else
            _registers[offset] = (entry with { RemoteRequest = false }).Raw.Value;
    }

    private void Send(InterruptCommand command)
    {
        if (command.Vector < FirstVector && command.DeliveryMode <= 1)
            Report(LocalApicErrors.SendIllegalVector);
        else
            _host.Send(command);
    }

    private sealed class Effects(LocalApic apic) : IRegisterEffects
    {
        public void Written(in RegisterWrite write) => apic.Written(write);
    }
}
