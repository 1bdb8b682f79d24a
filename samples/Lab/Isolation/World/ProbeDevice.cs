using Dma.Machine;

namespace Dma.Lab;

/// <summary>A device that does whatever DMA it is told to, in its own name or in another's, and keeps what it read in its registers.</summary>
/// <remarks>Who is behind a request can be asked while the request is under way: <see cref="Acting"/>.</remarks>
internal sealed class ProbeDevice : PciFunction, IDeviceTlb
{
    /// <summary>Bytes behind its BAR; what it read last is at the start.</summary>
    public const int RegisterBytes = 4096;

    private readonly byte[] _registers = new byte[RegisterBytes];
    private readonly bool _forgets;

    /// <summary>A device; plug it in behind a port.</summary>
    /// <param name="forgets">Whether it forgets everything when it is reset, as it should.</param>
    public ProbeDevice(bool forgets)
        : base(new PciIdentity(0x1234, 0xD3A1, ClassCode: 0xFF_0000))
    {
        _forgets = forgets;
        AddMemoryBar(0, RegisterBytes);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.Endpoint));
        _ = AddCapability(new AtsCapability());
        ConnectDeviceTlb(this);
    }

    /// <summary>Whether a request of this device is under way.</summary>
    public bool Acting { get; private set; }

    /// <summary>Reads memory into its registers.</summary>
    /// <param name="claimed">In whose name; null for its own.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="length">Bytes, up to <see cref="RegisterBytes"/>.</param>
    /// <param name="attributes">What else the request carries.</param>
    public DmaStatus Read(SourceId? claimed, ulong address, int length, DmaAttributes attributes = default) =>
        Act(claimed, way => way.Read(new(address), _registers.AsSpan(0, length), attributes));

    /// <summary>Writes bytes into memory.</summary>
    /// <inheritdoc cref="Read"/>
    public DmaStatus Write(SourceId? claimed, ulong address, byte[] bytes, DmaAttributes attributes = default) =>
        Act(claimed, way => way.Write(new(address), bytes, attributes));

    /// <summary>Replaces a quadword of memory.</summary>
    public DmaStatus Swap(ulong address, ulong compare, ulong swap) => Act(null, way =>
    {
        DmaStatus status = way.CompareSwap(new(address), compare, swap, out ulong found);
        _ = BitConverter.TryWriteBytes(_registers, found);
        return status;
    });

    /// <summary>Asks for a translation.</summary>
    public TranslationCompletion Ask(ulong address) => Dma.RequestTranslation(new(address), wantsWrite: true);

    /// <summary>Asks the host to bring a page in.</summary>
    public void AskForPage(ulong address) => Dma.RequestPage(new(new(address & ~0xFFFul), 1, IsLast: true, Read: true, Write: true));

    /// <summary>Raises its own interrupt, as software has set it up.</summary>
    public void Interrupt() => Act(null, _ =>
    {
        RaiseInterrupt();
        return DmaStatus.Success;
    });

    /// <summary>The first bytes of its registers.</summary>
    public ReadOnlySpan<byte> Registers => _registers;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        _registers.AsSpan((int)offset, width).CopyTo(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        _ = BitConverter.TryWriteBytes(bytes, value);
        bytes[..width].CopyTo(_registers.AsSpan((int)offset));
    }

    /// <inheritdoc/>
    DeviceTlbAnswer IDeviceTlb.Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    /// <inheritdoc/>
    void IDeviceTlb.Respond(in PageGroupResponse response)
    {
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        if (_forgets)
            Array.Clear(_registers);
    }

    private DmaStatus Act(SourceId? claimed, Func<IDmaPort, DmaStatus> request)
    {
        IDmaPort way = claimed is { } name ? OpenForged(name) : Dma;
        Acting = true;
        try
        {
            return request(way);
        }
        finally
        {
            Acting = false;
            if (claimed is not null)
                CloseForged(way);
        }
    }
}
