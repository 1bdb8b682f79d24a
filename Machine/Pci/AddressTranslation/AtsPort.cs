using System.Numerics;

namespace Dma.Machine;

/// <summary>The way into memory of a device that translates for itself: it asks, keeps the answers, and sends translated requests.</summary>
/// <remarks>
/// While ATS is off it is the way that it was given, no more. While it is on:
/// <code>
///   request --> device TLB -- hit, right granted --> translated request (AT = 10)
///                  |  \------ hit, U set ----------> untranslated request (AT = 00)
///                  +--------- else: translation request (AT = 01), and again
/// </code>
/// An answer that grants too little refuses the request, and nothing is sent. One that says that nobody translates for the
/// device makes it send the request untranslated. Transfers that take time hold a translation: an invalidation that
/// names it is completed when the last of them has ended. A hit uses no memory of this program.
/// </remarks>
public sealed class AtsPort : IDmaPort, IDeviceTlb
{
    private const int SmallShift = 12;

    private static readonly DmaAttributes _translated = new(AddressType.Translated);

    private readonly IDmaPort _way;
    private readonly AtsCapability _ats;
    private readonly PasidCapability? _pasids;
    private readonly DeviceTlb _tlb;
    private readonly Transfer[] _transfers;
    private readonly List<DeviceTlbInvalidation> _waiting = new(AtsCapability.QueueDepthMax);
    private ulong _transferNumber;

    /// <summary>A way into memory for a device that has the capabilities; it takes over what is done when ATS is turned on or off.</summary>
    /// <param name="way">The way of the function.</param>
    /// <param name="ats">Its ATS capability.</param>
    /// <param name="options">How its translation cache is built.</param>
    /// <param name="pasids">Its PASID capability; null where its requests carry none.</param>
    public AtsPort(IDmaPort way, AtsCapability ats, DeviceTlbOptions? options = null, PasidCapability? pasids = null)
    {
        DeviceTlbOptions built = options ?? new();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(built.TransfersMax, nameof(options));
        (_way, _ats, _pasids) = (way, ats, pasids);
        _tlb = new(built);
        _transfers = new Transfer[built.TransfersMax];
        ats.Changed = Forget;
    }

    /// <inheritdoc/>
    public SourceId Source => _way.Source;

    /// <summary>What is done with responses to page requests; null where the device makes none.</summary>
    public Action<PageGroupResponse>? PageResponse { get; set; }

    /// <summary>How many requests, or pieces of them, its own translations answered.</summary>
    public ulong Hits { get; private set; }

    /// <summary>How many translations it asked for.</summary>
    public ulong Questions { get; private set; }

    /// <summary>How many invalidations it completed.</summary>
    public ulong Invalidations { get; private set; }

    /// <summary>How many translations it holds.</summary>
    public int Count => _tlb.Count;

    /// <inheritdoc/>
    public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
    {
        if (!IsActive(attributes))
            return _way.Read(address, destination, attributes);
        int done = 0;
        do
        {
            Iova at = new(address.Value + (ulong)done);
            DmaStatus status = Resolve(at, destination.Length == 0 ? Need.Nothing : Need.Read, attributes, out Target target);
            if (status != DmaStatus.Success)
                return status;
            int step = (int)Math.Min((ulong)(destination.Length - done), target.Bytes);
            status = _way.Read(target.Address, destination.Slice(done, step), target.Attributes);
            if (status != DmaStatus.Success)
                return status;
            done += step;
        }
        while (done < destination.Length);
        return DmaStatus.Success;
    }

    /// <inheritdoc/>
    public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
    {
        if (!IsActive(attributes))
            return _way.Write(address, source, attributes);
        int done = 0;
        do
        {
            Iova at = new(address.Value + (ulong)done);
            DmaStatus status = Resolve(at, Need.Write, attributes, out Target target);
            if (status != DmaStatus.Success)
                return status;
            int step = (int)Math.Min((ulong)(source.Length - done), target.Bytes);
            status = _way.Write(target.Address, source.Slice(done, step), target.Attributes);
            if (status != DmaStatus.Success)
                return status;
            done += step;
        }
        while (done < source.Length);
        return DmaStatus.Success;
    }

    /// <inheritdoc/>
    public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
    {
        if (!IsActive(attributes))
            return _way.CompareSwap(address, compare, swap, out found, attributes);
        found = 0;
        DmaStatus status = Resolve(address, Need.Both, attributes, out Target target);
        return status == DmaStatus.Success ? _way.CompareSwap(target.Address, compare, swap, out found, target.Attributes) : status;
    }

    /// <inheritdoc/>
    /// <remarks>The answer is kept. While ATS is off nothing is asked.</remarks>
    public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default)
    {
        if (!_ats.IsEnabled || _pasids?.Permits(attributes) == false)
            return TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);
        Questions++;
        TranslationCompletion completion = _way.RequestTranslation(new(address.Value & ~0xFFFul), wantsWrite, attributes);
        int shift = BitOperations.Log2(Math.Max(completion.PageBytes, 1));
        if (completion.Status == TranslationStatus.Success
            && (completion.Read || completion.Write) && shift >= SmallShift + _ats.SmallestTranslationUnit)
            _tlb.Insert(address, attributes, completion.Entry, shift);
        return completion;
    }

    /// <inheritdoc/>
    public void RequestPage(in PageRequest request) => _way.RequestPage(request);

    /// <inheritdoc/>
    public void CompleteInvalidation(int tag) => _way.CompleteInvalidation(tag);

    /// <summary>Begins a transfer with the translation that there is now; it holds the translation until it ends.</summary>
    /// <param name="address">The first address.</param>
    /// <param name="write">Whether it is going to write, else to read.</param>
    /// <param name="attributes">What its requests carry.</param>
    /// <param name="transfer">The transfer.</param>
    /// <returns>Success, or why none was begun: the translation grants too little, ATS is off (<see cref="DmaStatus.NotMaster"/>), or too many are under way.</returns>
    public DmaStatus TryBegin(Iova address, bool write, DmaAttributes attributes, out AtsTransfer transfer)
    {
        transfer = default;
        int slot = Array.FindIndex(_transfers, other => other.Number == 0);
        if (!_ats.IsEnabled || slot < 0)
            return DmaStatus.NotMaster;
        DmaStatus status = Resolve(address, write ? Need.Write : Need.Read, attributes, out Target target);
        if (status != DmaStatus.Success)
            return status;
        _transfers[slot] = new(++_transferNumber, address, target, attributes);
        transfer = new(slot, _transferNumber);
        return DmaStatus.Success;
    }

    /// <summary>How many bytes a transfer can move: from its address to the end of what its translation speaks of; 0 where it is over.</summary>
    public ulong BytesOf(AtsTransfer transfer) => IsUnderWay(transfer) ? _transfers[transfer.Slot].Target.Bytes : 0;

    /// <summary>Writes some bytes of a transfer, with the translation that it began with.</summary>
    /// <param name="transfer">The transfer.</param>
    /// <param name="offset">Bytes from its address.</param>
    /// <param name="source">The bytes; no more than the translation speaks of.</param>
    /// <returns>As for any write; <see cref="DmaStatus.NotMaster"/>, and nothing was sent, where the transfer was ended by ATS being turned off.</returns>
    public DmaStatus Write(AtsTransfer transfer, ulong offset, ReadOnlySpan<byte> source)
    {
        if (!IsUnderWay(transfer))
            return DmaStatus.NotMaster;
        Target target = _transfers[transfer.Slot].Target;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + (ulong)source.Length, target.Bytes, nameof(source));
        return _way.Write(new(target.Address.Value + offset), source, target.Attributes);
    }

    /// <summary>Reads some bytes of a transfer, with the translation that it began with.</summary>
    /// <inheritdoc cref="Write(AtsTransfer, ulong, ReadOnlySpan{byte})"/>
    public DmaStatus Read(AtsTransfer transfer, ulong offset, Span<byte> destination)
    {
        if (!IsUnderWay(transfer))
            return DmaStatus.NotMaster;
        Target target = _transfers[transfer.Slot].Target;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + (ulong)destination.Length, target.Bytes, nameof(destination));
        return _way.Read(new(target.Address.Value + offset), destination, target.Attributes);
    }

    /// <summary>Ends a transfer: nothing of it is under way any more, and invalidations that waited for it are completed.</summary>
    public void End(AtsTransfer transfer)
    {
        if (!IsUnderWay(transfer))
            return;
        _transfers[transfer.Slot] = default;
        CompleteWaiting();
    }

    /// <inheritdoc/>
    /// <remarks>While ATS is off, and for more invalidations than the capability has room for, no completion comes.</remarks>
    public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request)
    {
        if (!_ats.IsEnabled || _waiting.Count == _ats.QueueDepth)
            return DeviceTlbAnswer.None;

        // 1. No request from now on uses what is named.
        _tlb.Invalidate(request);

        // 2. Those that are under way do, and the completion waits for them.
        if (IsInUse(request))
        {
            _waiting.Add(request);
            return DeviceTlbAnswer.None;
        }

        Invalidations++;
        return DeviceTlbAnswer.Completed;
    }

    /// <inheritdoc/>
    public void Respond(in PageGroupResponse response) => PageResponse?.Invoke(response);

    // Requests that say themselves what they are go as they are.
    private bool IsActive(DmaAttributes attributes) => _ats.IsEnabled && attributes.AddressType == AddressType.Untranslated;

    private bool IsUnderWay(AtsTransfer transfer) =>
        transfer.Number != 0 && (uint)transfer.Slot < (uint)_transfers.Length && _transfers[transfer.Slot].Number == transfer.Number;

    private DmaStatus Resolve(Iova address, Need need, DmaAttributes attributes, out Target target)
    {
        target = default;
        if (_pasids?.Permits(attributes) == false)
            return DmaStatus.NotMaster;
        if (_tlb.TryFind(address, attributes, out TranslationEntry entry, out int shift) && Grants(entry, need, attributes))
        {
            Hits++;
            target = TargetOf(address, attributes, entry, shift);
            return DmaStatus.Success;
        }

        TranslationCompletion completion = RequestTranslation(address, need is Need.Write or Need.Both, attributes);

        // A page that can only be written shows itself to those alone who ask for that.
        if (need == Need.Nothing && completion is { Status: TranslationStatus.Success, Read: false })
            completion = RequestTranslation(address, wantsWrite: true, attributes);
        if (completion.Status == TranslationStatus.CompleterAbort)
            return DmaStatus.Blocked;
        shift = BitOperations.Log2(Math.Max(completion.PageBytes, 1));

        // Nobody translates for the device, or in pieces smaller than it was promised: it does without.
        if (completion.Status != TranslationStatus.Success || shift < SmallShift + _ats.SmallestTranslationUnit)
        {
            target = new(address, attributes, RestOf(address, SmallShift), SmallShift);
            return DmaStatus.Success;
        }

        entry = completion.Entry;
        if (!Grants(entry, need, attributes))
            return DmaStatus.Blocked;
        target = TargetOf(address, attributes, entry, shift);
        return DmaStatus.Success;
    }

    // U says that the right is there, for untranslated requests. A read of nothing may use a page that can only be written.
    private static bool Grants(TranslationEntry entry, Need need, DmaAttributes attributes) => need switch
    {
        _ when entry.UntranslatedOnly => true,
        Need.Nothing => entry.Read || entry.Write,
        Need.Read => entry.Read && (!attributes.Execute || attributes.Pasid is null || entry.Execute),
        Need.Write => entry.Write,
        _ => entry.Read && entry.Write,
    };

    private static Target TargetOf(Iova address, DmaAttributes attributes, TranslationEntry entry, int shift)
    {
        ulong offset = (1ul << shift) - 1;
        return entry.UntranslatedOnly
            ? new(address, attributes, RestOf(address, shift), shift)
            : new(new((entry.Address.Value & ~offset) | (address.Value & offset)), _translated, RestOf(address, shift), shift, entry.Global);
    }

    private static ulong RestOf(Iova address, int shift) => (1ul << shift) - (address.Value & ((1ul << shift) - 1));

    // ATS was turned on or off: what was known is forgotten, and no request that was to come of it is sent. A device that
    // is reset does not know any more that it owes a completion.
    private void Forget(bool isReset)
    {
        _tlb.Clear();
        Array.Clear(_transfers);
        if (isReset)
            _waiting.Clear();
        else
            CompleteWaiting();
    }

    private bool IsInUse(in DeviceTlbInvalidation request)
    {
        foreach (ref readonly Transfer transfer in _transfers.AsSpan())
        {
            // What a large translation speaks of is one piece, wherever in it the transfer is.
            if (transfer.Number != 0 && transfer.Target.IsTranslated && DeviceTlb.Concerns(
                request, transfer.Address, transfer.Target.Shift, transfer.Attributes, transfer.Target.IsGlobal))
                return true;
        }

        return false;
    }

    private void CompleteWaiting()
    {
        for (int at = 0; at < _waiting.Count;)
        {
            DeviceTlbInvalidation request = _waiting[at];
            if (IsInUse(request))
            {
                at++;
                continue;
            }

            _waiting.RemoveAt(at);
            Invalidations++;
            _way.CompleteInvalidation(request.Tag);
        }
    }

    private enum Need
    {
        Nothing,
        Read,
        Write,
        Both,
    }

    // Where the bytes from an address on go, how many of them, and the size of the translation that says so.
    private readonly record struct Target(Iova Address, DmaAttributes Attributes, ulong Bytes, int Shift, bool IsGlobal = false)
    {
        public bool IsTranslated => Attributes.AddressType == AddressType.Translated;
    }

    private readonly record struct Transfer(ulong Number, Iova Address, Target Target, DmaAttributes Attributes);
}
