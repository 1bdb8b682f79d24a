namespace Dma.Machine;

/// <summary>The port of a PCI function: a gate that its command register and the bridges above it open and close.</summary>
internal sealed class MasterPort(PciFunction function) : IDmaPort
{
    private IDmaPort? _way;

    public SourceId Source => function.Requester;

    /// <summary>Success while the gate is open, else what a request meets.</summary>
    public DmaStatus Gate { get; private set; } = DmaStatus.NotMaster;

    /// <summary>Opens or closes the gate; the way behind it is asked for again where the requester has changed.</summary>
    public void Set(DmaStatus gate)
    {
        Gate = gate;
        if (gate == DmaStatus.NotMaster || _way?.Source != function.Requester)
            _way = null;
    }

    public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
    {
        DmaStatus status = Gate == DmaStatus.Success
            ? (_way ?? Open()).Read(address, destination, attributes)
            : Gate;
        return status == DmaStatus.Success ? status : Refused(status, posted: false);
    }

    public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
    {
        DmaStatus status = Gate == DmaStatus.Success
            ? (_way ?? Open()).Write(address, source, attributes)
            : Gate;
        return status == DmaStatus.Success ? status : Refused(status, posted: true);
    }

    public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
    {
        found = 0;
        DmaStatus status = Gate == DmaStatus.Success
            ? (_way ?? Open()).CompareSwap(address, compare, swap, out found, attributes)
            : Gate;
        return status == DmaStatus.Success ? status : Refused(status, posted: false);
    }

    public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default)
    {
        TranslationCompletion completion = Gate == DmaStatus.Success
            ? (_way ?? Open()).RequestTranslation(address, wantsWrite, attributes)
            : TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);
        if (completion.Status != TranslationStatus.Success && Gate != DmaStatus.NotMaster)
            function.RecordRefusal(posted: false);
        return completion;
    }

    public void RequestPage(in PageRequest request)
    {
        if (Gate == DmaStatus.Success)
            (_way ?? Open()).RequestPage(request);
    }

    private IDmaPort Open() => _way = function.OpenPort();

    private DmaStatus Refused(DmaStatus status, bool posted)
    {
        if (status != DmaStatus.NotMaster)
            function.RecordRefusal(posted);
        return status;
    }
}
