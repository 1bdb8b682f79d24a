using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>What must become of the descriptors in an invalidation queue: head, errors, completions, status words (VT-d, 4 of the reference).</summary>
/// <remarks>
/// Written again from the manual, so that the unit under test cannot vouch for itself. With a behaviour other than
/// none it is the queue of the recorder; a difference is explained only where each side has exactly what its model has.
/// </remarks>
/// <param name="behaviour">Where it leaves the manual.</param>
/// <param name="hardware">The unit's capabilities.</param>
/// <param name="memory">Where the queue is.</param>
internal sealed class QueueModel(QueueBehaviour behaviour, HardwareProfile hardware, PhysicalMemory memory)
{
    private const int WaitType = 5;
    private readonly Dictionary<ulong, uint> _statusWords = [];
    private readonly Dictionary<ulong, uint> _wordsBefore = [];
    private ulong _address;
    private ulong _latchedAddress;
    private ulong _tail;
    private int _lastType;

    /// <summary>The completion event.</summary>
    public EventModel Completion { get; } = new();

    /// <summary>QIES.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>FSTS.IQE.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>IQH.</summary>
    public ulong Head { get; private set; }

    /// <summary>IQERCD.</summary>
    public ulong ErrorRecord { get; private set; }

    /// <summary>ICS.</summary>
    public ulong CompletionStatus { get; private set; }

    /// <summary>IQA as it reads.</summary>
    public ulong AddressRead => Does(QueueBehaviour.AddressReadsLatched) ? _latchedAddress | (_address & 0x807) : _address;

    /// <summary>How many invalidations of translations were carried out.</summary>
    public ulong TranslationInvalidations { get; private set; }

    /// <summary>Where it left the manual so far, because something came up for which it does.</summary>
    public QueueBehaviour Used { get; private set; }

    /// <summary>What waits wrote, by address, unless software wrote there since.</summary>
    public IReadOnlyDictionary<ulong, uint> StatusWords => _statusWords;

    /// <summary>What was in memory before the first wait wrote there, by address.</summary>
    public IReadOnlyDictionary<ulong, uint> WordsBefore => _wordsBefore;

    /// <summary>Whether an address lies in the queue.</summary>
    public bool Holds(ulong address) => address - (_address & Bits64.Mask(63, 12)) < Size;

    /// <summary>IQA is written.</summary>
    public void WriteAddress(ulong value) => _address = value & (Bits64.Mask(63, 12) | 0x807);

    /// <summary>IQT is written.</summary>
    public void WriteTail(ulong value)
    {
        _tail = value & Bits64.Mask(18, 4);
        Run();
    }

    /// <summary>GCMD is written.</summary>
    public void WriteEnable(bool enable)
    {
        if (enable == IsEnabled)
            return;
        if (!enable && (Head != _tail || _lastType != WaitType) && Does(QueueBehaviour.RefusesOff))
            return;
        IsEnabled = enable;
        Head = 0;
        _latchedAddress = enable ? _address & Bits64.Mask(hardware.HostAddressWidth - 1, 12) : _latchedAddress;
        Run();
    }

    /// <summary>FSTS is written: IQE may go.</summary>
    public void WriteStatus(ulong value)
    {
        if (!IsStopped || (value & 0x10) == 0)
            return;
        IsStopped = false;
        if (!Does(QueueBehaviour.ResumesAtTail))
            Run();
    }

    /// <summary>ICS is written.</summary>
    public void WriteCompletionStatus(ulong value)
    {
        if ((value & CompletionStatus & 1) == 0)
            return;
        CompletionStatus = 0;
        Completion.Withdraw();
    }

    /// <summary>Software writes memory: status words there are gone.</summary>
    public void ForgetStatus(ulong address, int length)
    {
        foreach (ulong word in _statusWords.Keys.Where(word => word + 4 > address && word < address + (ulong)length).ToArray())
        {
            _ = _statusWords.Remove(word);
            _ = _wordsBefore.Remove(word);
        }
    }

    private ulong Size => 4096ul << (int)(_address & 7);

    private bool Has(QueueBehaviour what) => (behaviour & what) != 0;

    // Asked where something came up that the behaviour is about.
    private bool Does(QueueBehaviour what)
    {
        Used |= behaviour & what;
        return Has(what);
    }

    private void Run()
    {
        if (!IsEnabled || IsStopped)
            return;
        bool scalable = hardware.ExtendedCapabilities.ScalableMode || hardware.ExtendedCapabilities.AbortDma;
        bool wide = (_address & 0x800) != 0 && (scalable || !Does(QueueBehaviour.IgnoresWidth));
        ulong width = wide ? 32u : 16u;
        int error = wide && !scalable ? 5 : _tail % width != 0 ? 6 : _tail >= Size ? 1 : 0;
        while (error == 0 && Head != _tail)
        {
            error = Execute((_address & Bits64.Mask(63, 12)) + Head, wide);
            Head = error != 0 ? Head : (Head + width) % Size;
        }

        IsStopped = error != 0;
        if (IsStopped && !Does(QueueBehaviour.NoErrorRecord))
            ErrorRecord = (ulong)error;
    }

    private int Execute(ulong at, bool wide)
    {
        Span<byte> bytes = stackalloc byte[32];
        if (!memory.TryRead(new PhysicalAddress(at), bytes[..(wide ? 32 : 16)]))
            return 2;
        ulong low = BitConverter.ToUInt64(bytes);
        ulong high = BitConverter.ToUInt64(bytes[8..]);
        DescriptorFormat? format = DescriptorFormat.Find(low, wide, hardware)
            ?? (DescriptorFormat.IsForDeviceTlb(low, wide) && Does(QueueBehaviour.TakesDeviceTlb) ? DescriptorFormat.Of(low)
            : DescriptorFormat.IsForInterruptEntries(low) && Does(QueueBehaviour.TakesInterruptEntries) ? DescriptorFormat.Of(low)
            : null);
        if (format is null)
            return 3;
        _lastType = format.Type;
        if (bytes[16..].ContainsAnyExcept((byte)0) || !format.IsWellFormed(low, high, hardware))
            return 4;
        if (DescriptorFormat.NamesPhysicalFunction(low) && Does(QueueBehaviour.ReservesPhysicalFunction))
            return 4;
        if (DescriptorFormat.MasksTooManyIndices(low, hardware) && !Does(QueueBehaviour.IgnoresHandleMask))
            return 4;
        TranslationInvalidations += format.Type is 2 or 6 ? 1u : 0;
        return format.Type == WaitType ? Wait(new(low), high & ~3ul) : 0;
    }

    // Bit 4 interrupts, bit 5 writes the word in bits 63:32.
    private int Wait(Bits64 low, ulong address)
    {
        if (!low.Bit(4) && !low.Bit(5) && Does(QueueBehaviour.FenceIsError))
            return 4;
        if (low.Bit(5))
        {
            if (memory.TryRead(new PhysicalAddress(address), out uint before))
            {
                _ = _wordsBefore.TryAdd(address, before);
                _statusWords[address] = (uint)low.Bits(63, 32);
            }
            else if (Does(QueueBehaviour.StatusMustLand))
                return 4;
        }

        if (low.Bit(4) && CompletionStatus == 0)
        {
            CompletionStatus = 1;
            Completion.Raise();
        }

        return 0;
    }
}
