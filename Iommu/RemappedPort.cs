using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The way of one requester through the remapping unit into memory.</summary>
/// <remarks>
/// A page that the requester used before is found in its front table, and the access is done. Everything else
/// is the translator's business, out of line.
/// </remarks>
public sealed class RemappedPort : IDmaPort
{
    private readonly PhysicalMemory _memory;
    private readonly Translator _translator;
    private readonly InterruptRemapper _interrupts;
    private readonly DeviceTlbs _deviceTlbs;
    private readonly HardwareProfile _profile;
    private readonly PageRequestReceiver? _pageRequests;
    private readonly RequestStream _stream;
    private readonly FrontTable _front;

    internal RemappedPort(
        SourceId source,
        PhysicalMemory memory,
        Translator translator,
        InterruptRemapper interrupts,
        DeviceTlbs deviceTlbs,
        PageRequestReceiver? pageRequests,
        HardwareProfile profile)
    {
        Source = source;
        _memory = memory;
        _translator = translator;
        _interrupts = interrupts;
        _deviceTlbs = deviceTlbs;
        _pageRequests = pageRequests;
        _profile = profile;
        _stream = new(this);
        _front = _stream.Front;
    }

    /// <inheritdoc/>
    public SourceId Source { get; }

    internal RequestStream Stream => _stream;

    internal ulong FrontHits { get; private set; }

    internal ulong FrontMisses { get; private set; }

    internal ulong Interrupts { get; private set; }

    internal ulong BytesRead { get; private set; }

    internal ulong BytesWritten { get; private set; }

    /// <summary>Translates an untranslated request of at least one byte.</summary>
    /// <param name="address">The address on the bus.</param>
    /// <param name="write">Whether it is a write.</param>
    /// <param name="target">Where it lands; the rest of the 4 KiB page lies there too.</param>
    /// <returns><c>false</c> where the unit refuses it. The fault was recorded as the architecture says.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTranslate(Iova address, bool write, out PhysicalAddress target)
    {
        if (_front.TryFind(address.Value, write ? Translation.Write : Translation.Read, out ulong place))
        {
            FrontHits++;
            target = new(place);
            return true;
        }

        FrontMisses++;
        return _translator.TryTranslate(_stream, address.Value, write ? Translation.Write : Translation.Read, out target);
    }

    /// <summary>Translates a request of at least one byte.</summary>
    /// <inheritdoc cref="TryTranslate(Iova, bool, out PhysicalAddress)"/>
    /// <param name="address">The address on the bus.</param>
    /// <param name="write">Whether it is a write.</param>
    /// <param name="attributes">What else it carries.</param>
    /// <param name="target">Where it lands; the rest of the 4 KiB page lies there too.</param>
    public bool TryTranslate(Iova address, bool write, DmaAttributes attributes, out PhysicalAddress target) =>
        TryTranslate(address, Access.Of(write, attributes), out target);

    /// <inheritdoc/>
    public TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default) =>
        _translator.RequestTranslation(_stream, address.Value, wantsWrite, attributes with { AddressType = AddressType.Translation });

    /// <inheritdoc/>
    /// <remarks>A unit without ECAP.PRS drops the message.</remarks>
    public void RequestPage(in PageRequest request) => _pageRequests?.Receive(_stream, request);

    /// <inheritdoc/>
    public void CompleteInvalidation(int tag) => _deviceTlbs.Complete(Source, tag);

    /// <inheritdoc/>
    public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
    {
        // One page, as most accesses are. An empty read is none, and goes the other way.
        if ((uint)(destination.Length - 1) < (uint)(4096 - address.PageOffset)
            && attributes == default
            && _front.TryFind(address.Value, Translation.Read, out ulong place))
        {
            FrontHits++;
            return Complete(_memory.TryRead(new PhysicalAddress(place), destination), destination.Length, 0);
        }

        return ReadByPages(address, destination, attributes);
    }

    /// <inheritdoc/>
    public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
    {
        if ((uint)(source.Length - 1) < (uint)(4096 - address.PageOffset)
            && attributes == default
            && _front.TryFind(address.Value, Translation.Write, out ulong place))
        {
            FrontHits++;
            return Complete(_memory.TryWrite(new PhysicalAddress(place), source), 0, source.Length);
        }

        return WriteByPages(address, source, attributes);
    }

    /// <inheritdoc/>
    public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
    {
        found = 0;
        if ((address.Value & 7) != 0)
            return DmaStatus.Unclaimed;
        if (!TryTranslate(address, Access.Of(write: true, attributes with { Atomic = true }), out PhysicalAddress target))
            return DmaStatus.Blocked;
        return Complete(_memory.TryCompareExchange(target, compare, swap, out found), sizeof(ulong), found == compare ? sizeof(ulong) : 0);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private DmaStatus ReadByPages(Iova address, Span<byte> destination, DmaAttributes attributes)
    {
        int done = 0;
        do
        {
            Iova at = new(address.Value + (ulong)done);
            int step = Math.Min(destination.Length - done, 4096 - at.PageOffset);
            bool granted = attributes == default && destination.Length != 0
                ? TryTranslate(at, write: false, out PhysicalAddress target)
                : TryTranslate(at, Wanted(destination.Length, attributes), out target);
            if (!granted)
                return DmaStatus.Blocked;
            DmaStatus status = Complete(_memory.TryRead(target, destination.Slice(done, step)), step, 0);
            if (status != DmaStatus.Success)
                return status;
            done += step;
        }
        while (done < destination.Length);
        return DmaStatus.Success;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private DmaStatus WriteByPages(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes)
    {
        // A doubleword into the interrupt range is an interrupt, whatever tables say.
        if (InterruptRange.Contains(address.Value) && attributes == default && source.Length == 4 && (address.Value & 3) == 0)
        {
            if (!_interrupts.TryDeliver(Source, address.Value, BitConverter.ToUInt32(source)))
                return DmaStatus.Blocked;
            Interrupts++;
            return DmaStatus.Success;
        }

        int done = 0;
        do
        {
            Iova at = new(address.Value + (ulong)done);
            int step = Math.Min(source.Length - done, 4096 - at.PageOffset);
            bool granted = attributes == default
                ? TryTranslate(at, write: true, out PhysicalAddress target)
                : TryTranslate(at, Access.Of(write: true, attributes), out target);
            if (!granted)
                return DmaStatus.Blocked;
            DmaStatus status = Complete(TryWriteMemory(target, source.Slice(done, step)), 0, step);
            if (status != DmaStatus.Success)
                return status;
            done += step;
        }
        while (done < source.Length);
        return DmaStatus.Success;
    }

    // Who looks for missing invalidations shall know that it was a device, and which, that wrote over a table.
    private bool TryWriteMemory(PhysicalAddress target, ReadOnlySpan<byte> source)
    {
        if (_translator.Tracker is not { } tracker)
            return _memory.TryWrite(target, source);
        tracker.Writer = Source;
        bool written = _memory.TryWrite(target, source);
        tracker.Writer = null;
        return written;
    }

    private Access Wanted(int length, DmaAttributes attributes) =>
        length == 0 ? Access.ReadingNothing(_profile, attributes) : Access.Of(write: false, attributes);

    private bool TryTranslate(Iova address, in Access access, out PhysicalAddress target)
    {
        if (access.Attributes == default && _front.TryFind(address.Value, access.Wanted, out ulong place))
        {
            FrontHits++;
            target = new(place);
            return true;
        }

        FrontMisses++;
        return _translator.TryTranslate(_stream, address.Value, access, out target);
    }

    private DmaStatus Complete(bool moved, int read, int written)
    {
        if (!moved)
            return DmaStatus.Unclaimed;
        BytesRead += (uint)read;
        BytesWritten += (uint)written;
        return DmaStatus.Success;
    }
}
