namespace Dma.Machine;

/// <summary>The port of a PCI function: a gate that its command register and the bridges above it open and close.</summary>
/// <param name="function">Whose.</param>
/// <param name="claimed">Whom its requests name instead of the function; null for the function.</param>
internal sealed class MasterPort(PciFunction function, SourceId? claimed = null) : IDmaPort
{
    private IDmaPort? _way;

    // What requests meet before they reach the root: those with AT = 0, and the others.
    private DmaStatus _gate = DmaStatus.NotMaster;
    private DmaStatus _translatedGate = DmaStatus.NotMaster;

    public SourceId Source => function.Bus?.RequesterOf(Named) ?? default;

    private SourceId Named => claimed ?? function.Source;

    /// <summary>Opens or closes the gate; the way behind it is asked for again where the requester has changed.</summary>
    public void Refresh()
    {
        bool isMaster = function.IsMaster;
        _gate = isMaster ? function.Bus!.Admit(Named, isUntranslated: true) : DmaStatus.NotMaster;
        _translatedGate = isMaster ? function.Bus!.Admit(Named, isUntranslated: false) : DmaStatus.NotMaster;
        if (!isMaster || _way?.Source != Source)
            _way = null;
    }

    public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
    {
        DmaStatus status = GateOf(attributes);
        if (status == DmaStatus.Success)
            status = (_way ?? Open()).Read(address, destination, attributes);
        return status == DmaStatus.Success ? status : Refused(status, attributes, posted: false);
    }

    public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
    {
        DmaStatus status = GateOf(attributes);
        if (status == DmaStatus.Success)
            status = (_way ?? Open()).Write(address, source, attributes);
        return status == DmaStatus.Success ? status : Refused(status, attributes, posted: true);
    }

    public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
    {
        found = 0;
        DmaStatus status = GateOf(attributes);
        if (status == DmaStatus.Success)
            status = (_way ?? Open()).CompareSwap(address, compare, swap, out found, attributes);
        return status == DmaStatus.Success ? status : Refused(status, attributes, posted: false);
    }

    public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default)
    {
        DmaAttributes question = attributes with { AddressType = AddressType.Translation };
        DmaStatus status = _translatedGate;
        if (status == DmaStatus.Success)
        {
            TranslationCompletion completion = (_way ?? Open()).RequestTranslation(address, wantsWrite, attributes);
            if (completion.Status != TranslationStatus.Success)
                Record(question, posted: false, isAborted: completion.Status == TranslationStatus.CompleterAbort);
            return completion;
        }

        _ = Refused(status, question, posted: false);
        return TranslationCompletion.Refused(
            status == DmaStatus.AccessViolation ? TranslationStatus.CompleterAbort : TranslationStatus.UnsupportedRequest);
    }

    public void RequestPage(in PageRequest request)
    {
        // A message, not a memory request: it has no AT field.
        if (_gate == DmaStatus.Success)
            (_way ?? Open()).RequestPage(request);
    }

    public void CompleteInvalidation(int tag)
    {
        // A message needs no bus master, neither here nor in the bridges above.
        if (function.Bus is { Host: not null, IsHeldInReset: false })
            Open().CompleteInvalidation(tag);
    }

    private DmaStatus GateOf(DmaAttributes attributes) =>
        attributes.AddressType == AddressType.Untranslated ? _gate : _translatedGate;

    private IDmaPort Open() => _way ??= function.Bus!.Host!.Fabric.Open(Source);

    private DmaStatus Refused(DmaStatus status, DmaAttributes attributes, bool posted)
    {
        if (status != DmaStatus.NotMaster)
            Record(attributes, posted, isAborted: status == DmaStatus.AccessViolation);
        return status;
    }

    // A lie comes back to the one that is named: the completion of what was asked in another's name never arrives here.
    private void Record(DmaAttributes attributes, bool posted, bool isAborted)
    {
        if (claimed is null)
            function.RecordRefusal(posted, isAborted);
        function.Bus?.RecordRefusal(Named, attributes.AddressType == AddressType.Untranslated, posted);
    }
}
