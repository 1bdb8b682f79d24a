using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The merge engine: the way to memory of an ordinary controller, which finds one frame list and one ring there, made of the schedules of several VMs while it fetches them.</summary>
/// <remarks>
/// <code>
///                      links of the engine          lists, buffers of VM 0, under its requester id
///   controller  ---->  MergeFrame, MergeRing  ---->  VM 0, VM 1, ... in a rotating order
/// </code>
/// Nothing is copied and nothing is held but where it is: each structure is read from memory of its VM when the controller asks for it, with
/// its link and its device address replaced, and what the controller writes goes back to the same place. What a VM has wrong stops that VM:
/// the controller finds that all went well, reads zeros, and is led on to the next.
/// </remarks>
internal sealed class MergeEngine : IDmaPort
{
    private readonly MergeSlot[] _slots;
    private readonly FrameClock _frames;
    private readonly EventLoop _loop;
    private readonly bool _is64Bit;
    private readonly MergeRing _ring;
    private readonly MergeFrame _frame;
    private readonly MergeTime _time = new();
    private readonly MergeRequests _requests;

    // Whose structure is at hand, what it is, and as what its VM has it.
    private MergeSlot? _hand;
    private LinkType _type;
    private EndpointCharacteristics _endpoint;
    private bool _isMasked;

    /// <summary>An engine that knows of no VM.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="frames">The microframes of the bus.</param>
    /// <param name="options">How it is built.</param>
    /// <param name="lanes">The ways to memory of the slots.</param>
    /// <param name="bus">What carries out what is decided about addresses.</param>
    public MergeEngine(EventLoop loop, FrameClock frames, MergingEhciOptions options, IReadOnlyList<MergeLane> lanes, IAddressedBus bus)
    {
        (_loop, _frames, _is64Bit) = (loop, frames, options.Controller.Addresses64Bit);
        _slots = [.. Enumerable.Range(0, options.SlotCount).Select(number => new MergeSlot(number, lanes[options.SharesRequester ? 0 : number].Way, Follow))];
        (_ring, _frame) = (new(_slots, options.HidesHeads), new(_slots, options.RepeatsFrames));
        Addresses = new(loop, bus, options.Addresses, options.SlotCount);
        _requests = new(Addresses, options.SlotCount);
    }

    /// <inheritdoc/>
    public SourceId Source => default;

    /// <summary>The slots.</summary>
    public IReadOnlyList<MergeSlot> Slots => _slots;

    /// <summary>Which device has which address.</summary>
    public DescriptorAddresses Addresses { get; }

    /// <summary>Which slots have something for software, a bit for each.</summary>
    public ulong Notices { get; private set; }

    /// <summary>Called when software is to look: what transfers report, the controller itself says.</summary>
    public Action Noticed { get; set; } = static () => { };

    /// <summary>Who sees what is fetched, or null.</summary>
    public IMergeObserver? Observer { get; set; }

    /// <inheritdoc/>
    public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
    {
        if (address.Value >> 32 != MergeLinks.Segment)
        {
            if (_hand is not { } owner)
                destination.Clear();
            else if (!_requests.TryReadSetup(destination))
                _ = owner.TryReadData(address, destination);
            return DmaStatus.Success;
        }

        uint at = (uint)address.Value;
        switch (MergeLinks.KindOf(at))
        {
            case MergeLinkKind.Frame:
                FetchElement((at - MergeLinks.Frames) / sizeof(uint), destination);
                break;
            case MergeLinkKind.Head:
                FetchHead(destination);
                break;
            case MergeLinkKind.Async:
                FetchQueue(MergeLinks.TurnOf(at), destination);
                break;
            case MergeLinkKind.Periodic:
                FetchPeriodic(MergeLinks.TurnOf(at), destination);
                break;
            case MergeLinkKind.Resumed:
                FetchPeriodic(_frame.Turn, destination);
                break;
            case MergeLinkKind.Guest:
                FetchNamed(at, destination);
                break;
            default:
                destination.Clear();
                MemoryMarshal.Write(destination, new LinkPointer { Terminate = true });
                break;
        }

        return DmaStatus.Success;
    }

    /// <inheritdoc/>
    public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
    {
        if (_hand is not { } owner || _isMasked)
            return DmaStatus.Success;
        if (address.Value >> 32 != MergeLinks.Segment)
        {
            owner.WriteData(address, source);
            return DmaStatus.Success;
        }

        uint at = (uint)address.Value;
        switch (MergeLinks.KindOf(at))
        {
            case MergeLinkKind.Async when owner == _ring.Current:
                owner.Write(_ring.Address + MergeLinks.OffsetOf(at), source);
                break;
            case MergeLinkKind.Periodic or MergeLinkKind.Resumed when owner == _frame.Current:
                owner.Write(_frame.Link.Address + MergeLinks.OffsetOf(at), source);
                if (_type != LinkType.QueueHead)
                    Ended(owner, source);
                break;
            case MergeLinkKind.Guest:
                owner.Write(at, source);
                Ended(owner, source);
                break;
            default:
                break;
        }

        return DmaStatus.Success;
    }

    private void Follow(MergeSlot slot, bool isNotice)
    {
        _ring.Follow(slot);
        _frame.Follow(slot);
        if (_hand == slot && !slot.IsRunning)
            _hand = null;
        ulong bit = 1ul << slot.Number;
        Notices = slot.Status != 0 ? Notices | bit : Notices & ~bit;
        if (isNotice)
            Noticed();
    }

    private void FetchElement(uint element, Span<byte> destination)
    {
        Enter(null, LinkType.FrameSpan);
        int microframe = (int)(_frames.Count(_loop.NowNs) & 7);
        _time.Begin(microframe);
        LinkPointer first = _frame.Begin(element, microframe);
        MemoryMarshal.Write(destination, first);
        Tell(-1, LinkType.FrameSpan, element, isPeriodic: true);
    }

    private void FetchHead(Span<byte> destination)
    {
        Enter(null, LinkType.QueueHead);
        QueueHead head = _ring.FetchHead();
        MemoryMarshal.AsBytes(new ReadOnlySpan<QueueHead>(in head))[..destination.Length].CopyTo(destination);
        Tell(-1, LinkType.QueueHead, 0, isPeriodic: false, head.Characteristics.ReclamationHead);
    }

    private void FetchQueue(bool turn, Span<byte> destination)
    {
        bool isThere = _ring.TryFetch(turn, destination.Length, out QueueHead head);
        Enter(isThere ? _ring.Current : null, LinkType.QueueHead);
        if (isThere)
            Show(ref head);
        MemoryMarshal.AsBytes(new ReadOnlySpan<QueueHead>(in head))[..destination.Length].CopyTo(destination);
        if (isThere && _hand is not null)
            Tell(_hand.Number, LinkType.QueueHead, _ring.Address, isPeriodic: false, head.Characteristics.ReclamationHead);
    }

    private void FetchPeriodic(bool turn, Span<byte> destination)
    {
        bool isThere = _frame.TryFetch(turn, destination);
        Enter(isThere ? _frame.Current : null, _frame.Link.Type);
        if (_hand is not { } slot)
            return;
        Tell(slot.Number, _type, _frame.Link.Address, isPeriodic: true);
        if (_type != LinkType.QueueHead)
        {
            ShowIsochronous(slot, destination, isInTurn: true);
            return;
        }

        QueueHead head = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<QueueHead>(ref head));
        destination.CopyTo(whole);
        if (_time.TryTake(slot, head))
            Show(ref head);
        else
            Mask(ref head);
        whole[..destination.Length].CopyTo(destination);
    }

    // A qTD, or behind an siTD the one of the frame before.
    private void FetchNamed(uint address, Span<byte> destination)
    {
        destination.Clear();
        if (_hand is not { } slot || (!_requests.TryReadAhead(address, destination) && !slot.TryRead(address, destination)))
            return;
        if (_type == LinkType.QueueHead)
            ShowTransfer(slot, destination);
        else
            ShowIsochronous(slot, destination, isInTurn: false);
    }

    private void Enter(MergeSlot? slot, LinkType type)
    {
        (_hand, _type, _isMasked) = (slot, type, false);
        _requests.Forget();
    }

    private static void ShowTransfer(MergeSlot slot, Span<byte> bytes)
    {
        ReadOnlySpan<TransferLink> links = MemoryMarshal.Cast<byte, TransferLink>(bytes);
        if (MergeLinks.IsForbidden(links[0]) || MergeLinks.IsForbidden(links[1]))
        {
            // It is not active then, and leads nowhere.
            bytes.Clear();
            slot.Fail();
            return;
        }

        HideHighs(bytes, TransferDescriptor.HighOffset);
    }

    // What the controller finds in the place of a queue of a VM.
    private void Show(ref QueueHead head)
    {
        _endpoint = head.Characteristics;
        MergeSlot slot = _hand!;
        TransferLink current = head.Current with { Terminate = !head.Overlay.Token.Active };
        if (MergeLinks.IsForbidden(head.Overlay.Next) || MergeLinks.IsForbidden(head.Overlay.AlternateNext) || MergeLinks.IsForbidden(current))
            slot.Fail();
        if (!slot.IsRunning)
        {
            Mask(ref head);
            return;
        }

        MergeRequests.Verdict verdict = _requests.Look(slot, head, _is64Bit ? TransferDescriptor.Size64 : TransferDescriptor.Size32);
        if (verdict == MergeRequests.Verdict.Wait || !slot.IsRunning)
        {
            Mask(ref head);
            return;
        }

        bool isSplit = _endpoint.Speed != EndpointSpeed.High;
        int device = verdict == MergeRequests.Verdict.Nobody ? Addresses.Nobody : Addresses.RealOf(slot.Number, _endpoint.DeviceAddress);
        head = head with
        {
            Characteristics = _endpoint with { DeviceAddress = device },
            Capabilities = isSplit ? head.Capabilities with { HubAddress = Addresses.RealOf(slot.Number, head.Capabilities.HubAddress) } : head.Capabilities,
        };
        HideHighs(MemoryMarshal.AsBytes(new Span<QueueHead>(ref head)), QueueHead.OverlayOffset + TransferDescriptor.HighOffset);
    }

    // It has no work now, and nothing that the controller finds to write reaches the VM.
    private void Mask(ref QueueHead head)
    {
        _isMasked = true;
        TransferLink end = new() { Terminate = true };
        head = head with
        {
            Overlay = head.Overlay with { Token = default, Next = end, AlternateNext = end with { NakCounter = head.Characteristics.NakReload } },
        };
    }

    private void ShowIsochronous(MergeSlot slot, Span<byte> bytes, bool isInTurn)
    {
        Span<uint> words = MemoryMarshal.Cast<byte, uint>(bytes);
        if (_type == LinkType.IsochronousTransfer)
        {
            if (isInTurn)
                _time.Take(slot, words);
            ref uint page = ref words[IsochronousTransferDescriptor.PagesOffset / sizeof(uint)];
            IsochronousPointer pointer = new(new(page));
            page = (pointer with { DeviceAddress = Addresses.RealOf(slot.Number, pointer.DeviceAddress) }).Raw.Value;
            HideHighs(bytes, IsochronousTransferDescriptor.HighOffset);
            return;
        }

        SplitIsochronousTransferDescriptor descriptor = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<SplitIsochronousTransferDescriptor>(ref descriptor));
        bytes.CopyTo(whole);
        SplitIsochronousEndpoint endpoint = descriptor.Endpoint;
        LinkPointer back = descriptor.Back;
        if (!back.Terminate && MergeLinks.KindOf(back.Address) != MergeLinkKind.Guest)
        {
            bytes[sizeof(uint)..].Clear();
            slot.Fail();
            return;
        }

        if (isInTurn && !_time.TryTake(slot, descriptor))
            descriptor = descriptor with { State = descriptor.State with { Active = false } };
        descriptor = descriptor with
        {
            Endpoint = endpoint with
            {
                DeviceAddress = Addresses.RealOf(slot.Number, endpoint.DeviceAddress),
                HubAddress = Addresses.RealOf(slot.Number, endpoint.HubAddress),
            },
        };
        whole[..bytes.Length].CopyTo(bytes);
        HideHighs(bytes, SplitIsochronousTransferDescriptor.StateOffset + (4 * sizeof(uint)));
    }

    // A buffer that names the segment of the engine names no memory; so does what is put there instead.
    private static void HideHighs(Span<byte> bytes, int from)
    {
        if (bytes.Length <= from)
            return;
        foreach (ref uint high in MemoryMarshal.Cast<byte, uint>(bytes[from..]))
        {
            if (high == MergeLinks.Segment)
                high = MergeLinks.Segment - 1;
        }
    }

    // What the controller wrote says whether it will interrupt, and so for whom.
    private void Ended(MergeSlot slot, ReadOnlySpan<byte> source)
    {
        uint word = MemoryMarshal.Read<uint>(source);
        (bool isOver, bool isDone, bool isError) = _type switch
        {
            LinkType.QueueHead => EndOf(slot, new(new(word))),
            LinkType.IsochronousTransfer => EndOf(new IsochronousSlot(new(word))),
            _ => EndOf(new SplitIsochronousState(new(word))),
        };
        uint status = (isDone ? StatusBits.Transfer : 0) | (isError ? StatusBits.Error : 0);
        if (isOver && status != 0)
            slot.Post(status);
    }

    private (bool IsOver, bool IsDone, bool IsError) EndOf(MergeSlot slot, TransferToken token)
    {
        if (token.Active)
            return default;
        if (_endpoint.Endpoint == 0)
            _requests.Ended(slot, _endpoint.DeviceAddress, token);
        return (true, token.InterruptOnComplete || (!token.Halted && token.TotalBytes != 0), token.Halted);
    }

    private static (bool IsOver, bool IsDone, bool IsError) EndOf(IsochronousSlot slot) =>
        (!slot.Active, slot.InterruptOnComplete, slot.BufferError || slot.Babble || slot.TransactionError);

    private static (bool IsOver, bool IsDone, bool IsError) EndOf(SplitIsochronousState state) => (
        !state.Active,
        state.InterruptOnComplete,
        state.BufferError || state.Babble || state.TransactionError || state.TranslatorError || state.MissedMicroframe);

    private void Tell(int slot, LinkType type, uint address, bool isPeriodic, bool isHead = false) =>
        Observer?.Fetched(new(slot, type, address, isPeriodic, _frames.Index(_loop.NowNs), isHead));
}
