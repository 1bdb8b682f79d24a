namespace Dma.Machine;

/// <summary>The page request interface of a function: its bits, and the count of what is outstanding (PCI Express, ATS, page request extended capability).</summary>
/// <remarks>
/// The device asks before it sends a page request, and says what became of it; <see cref="Stopped"/> follows by itself.
/// </remarks>
/// <param name="capacity">How many page requests the device can have outstanding at most; 1 or more.</param>
/// <param name="responsesNeedPasid">Whether a response must carry the PASID of its group.</param>
public sealed class PageRequestCapability(uint capacity = 64, bool responsesNeedPasid = false)
    : PciExtendedCapability(PciExtendedCapabilityId.PageRequest, version: 1, length: 16)
{
    private const int Control = 0x04;
    private const int Status = 0x06;
    private const int Capacity = 0x08;
    private const int Allocation = 0x0C;
    private const int Enable = 0;
    private const int Reset = 1;
    private const ulong EnableBit = 1 << Enable;
    private const ulong ResetBit = 1 << Reset;
    private const ulong ResponseFailureBit = 1 << 0;
    private const ulong UnexpectedGroupBit = 1 << 1;
    private const ulong StoppedBit = 1 << 8;
    private const ulong ResponsesNeedPasidBit = 1 << 15;

    private readonly uint _capacity = capacity != 0
        ? capacity
        : throw new ArgumentOutOfRangeException(nameof(capacity), "One page request or more.");

    /// <summary>What the device does when it shall forget what it has outstanding: software reset the interface, or all of the function.</summary>
    public Action? Forgotten { get; set; }

    /// <summary>Whether the device may send page requests.</summary>
    public bool IsEnabled => (this[Control] & EnableBit) != 0;

    /// <summary>Whether software was told of a response that was a failure.</summary>
    public bool HasFailed => (this[Status] & ResponseFailureBit) != 0;

    /// <summary>Whether the interface is off and nothing is outstanding any more.</summary>
    public bool Stopped => (this[Status] & StoppedBit) != 0;

    /// <summary>Whether a response must carry the PASID of its group.</summary>
    public bool ResponsesNeedPasid => responsesNeedPasid;

    /// <summary>How many page requests are outstanding.</summary>
    public uint Outstanding { get; private set; }

    /// <summary>How many page requests may be outstanding: what software allows, at most what the device can.</summary>
    public uint OutstandingMax => Math.Min(_capacity, (uint)this[Allocation]);

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers =>
    [
        new(Control, 2, "PRICTL", new(0, Writable: EnableBit | ResetBit, Unreadable: ResetBit)),
        new(Status, 2, "PRISTS", new(StoppedBit | (responsesNeedPasid ? ResponsesNeedPasidBit : 0), ClearOnOne: ResponseFailureBit | UnexpectedGroupBit)),
        new(Capacity, 4, "PRICAP", new(_capacity)),
        new(Allocation, 4, "PRIALL", new(0, Writable: 0xFFFF_FFFF)),
    ];

    /// <summary>Counts a page request that the device is about to send; stop markers are not counted.</summary>
    /// <returns><c>false</c> where it must not be sent: the interface is off, or too many are outstanding.</returns>
    public bool TryIssue()
    {
        if (!IsEnabled || Outstanding >= OutstandingMax)
            return false;
        Outstanding++;
        return true;
    }

    /// <summary>A group was answered.</summary>
    /// <param name="requests">How many page requests it had.</param>
    public void Complete(uint requests)
    {
        Outstanding -= Math.Min(requests, Outstanding);
        Settle();
    }

    /// <summary>A response was a failure: the interface is off, and no response to what was outstanding is expected any more.</summary>
    public void Fail()
    {
        this[Status] |= ResponseFailureBit;
        this[Control] &= ~EnableBit;
        Outstanding = 0;
        Settle();
    }

    /// <summary>A response belonged to no group that is outstanding.</summary>
    public void ReportUnexpectedGroup() => this[Status] |= UnexpectedGroupBit;

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        if (write.Offset != Control)
            return;

        // A reset works only where the interface is off, or turned off by the same write.
        bool isReset = write.WroteOne(Reset) && !IsEnabled;
        this[Control] &= ~ResetBit;
        if (isReset)
            Forget();
        Settle();
    }

    /// <inheritdoc/>
    protected internal override void OnReset() => Forget();

    private void Forget()
    {
        Outstanding = 0;
        Forgotten?.Invoke();
    }

    private void Settle()
    {
        bool stopped = !IsEnabled && Outstanding == 0;
        this[Status] = (this[Status] & ~StoppedBit) | (stopped ? StoppedBit : 0);
    }
}
