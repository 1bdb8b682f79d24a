using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The queue head of a guest and its copy, with the part of its qTDs that the controller may come to.</summary>
/// <remarks>
/// <code>
///   guest    QH --> qTD --> qTD --> qTD (inactive)        written by the guest, read by the VMM
///            ^ end of each       | look
///            |                   v
///   copy     QH --> qTD --> qTD --> qTD (inactive)        written by the VMM, executed by the controller
/// </code>
/// The overlay of the copy says where the controller is. A look begins there, and copies each qTD that became active; an end goes the
/// other way, and only as a step from active to inactive: so nothing is executed twice, and nothing that the guest wrote is lost.
/// </remarks>
internal sealed class QueueCopy
{
    private readonly CopiedGuest _guest;
    private readonly Dictionary<uint, TransferCopy> _transfers = [];
    private readonly QueueLook _look;
    private TransferDescriptor _shown;
    private bool _isToAdopt;
    private bool _isBroken;
    private uint _horizontal;

    /// <summary>A copy that is linked nowhere and waits.</summary>
    /// <param name="guest">The VM.</param>
    /// <param name="guestAddress">Where the guest has it, within its segment.</param>
    /// <param name="address">Where the copy is: a slot.</param>
    /// <param name="head">What the guest wrote there.</param>
    /// <param name="isPeriodic">Whether it stands in the periodic schedule.</param>
    public QueueCopy(CopiedGuest guest, uint guestAddress, uint address, in QueueHead head, bool isPeriodic)
    {
        (_guest, GuestAddress, Address, IsPeriodic) = (guest, guestAddress, address, isPeriodic);
        (Endpoint, Capabilities, _shown) = (head.Characteristics, head.Capabilities, head.Overlay);
        _look = new(guest, this);
        TransferLink nowhere = new() { Terminate = true };
        guest.Pool.Write(address, new QueueHead { Horizontal = new() { Terminate = true }, Overlay = new() { Next = nowhere, AlternateNext = nowhere } });
        Link(new() { Terminate = true });
        WriteEndpoint();
        Adopt(head);
    }

    /// <summary>Where the guest has it.</summary>
    public uint GuestAddress { get; }

    /// <summary>Where the copy is.</summary>
    public uint Address { get; }

    /// <summary>Whether it stands in the periodic schedule.</summary>
    public bool IsPeriodic { get; }

    /// <summary>Which endpoint, as the guest says it.</summary>
    public EndpointCharacteristics Endpoint { get; private set; }

    /// <summary>When it is served, and through which hub, as the guest says it.</summary>
    public EndpointCapabilities Capabilities { get; private set; }

    /// <summary>A pointer to the copy.</summary>
    public LinkPointer Pointer => new() { Type = LinkType.QueueHead, Address = Address };

    /// <summary>By which look the guest's list it was found last.</summary>
    public uint Look { get; set; }

    /// <summary>Where it stands in the periodic schedule.</summary>
    public PeriodicStand Stand { get; set; }

    /// <summary>Whether the controller was seen to be at a place where it meets an error.</summary>
    public bool IsBroken => _isBroken || _look.IsBroken;

    /// <summary>Whether something that the guest wants executed waits: for address 0, for a request before it, or for a slot.</summary>
    public bool HasHeld => _look.HasHeld || _isToAdopt;

    /// <summary>The overlay of the copy.</summary>
    public TransferDescriptor Overlay => _guest.Pool.Read<TransferDescriptor>(Address + QueueHead.OverlayOffset);

    /// <summary>Whether it is a VM's.</summary>
    public bool IsOf(CopiedGuest guest) => _guest == guest;

    /// <summary>Whether another queue is of the same VM.</summary>
    public bool IsOfSame(QueueCopy other) => _guest == other._guest;

    /// <summary>Lets the copy point to what comes behind it.</summary>
    public void Link(LinkPointer next)
    {
        if (next.Raw.Value == _horizontal)
            return;
        _horizontal = next.Raw.Value;
        _guest.Pool.Write(Address, next);
    }

    /// <summary>Puts the addresses into the copy that the device and its hub have on the bus now.</summary>
    public void WriteEndpoint()
    {
        BusAddresses addresses = _guest.Addresses;
        bool isSplit = Endpoint.Speed != EndpointSpeed.High;
        _guest.Pool.Write(Address + sizeof(uint), Endpoint with
        {
            DeviceAddress = addresses.RealOf(_guest.Number, Endpoint.DeviceAddress),
            ReclamationHead = Endpoint.ReclamationHead && _guest.Options.Skips(MergeSteps.Heads),
        });
        _guest.Pool.Write(Address + (2 * sizeof(uint)), Capabilities with
        {
            HubAddress = isSplit ? addresses.RealOf(_guest.Number, Capabilities.HubAddress) : 0,
        });
    }

    /// <summary>Copies what the guest added or changed.</summary>
    /// <param name="head">The queue head of the guest, as it is now.</param>
    /// <returns>Whether the guest changed when it is served.</returns>
    public bool Discover(in QueueHead head)
    {
        bool isIdle = _look.IsIdle(Overlay);
        bool moves = false;
        if (isIdle && (head.Characteristics != Endpoint || head.Capabilities != Capabilities))
        {
            moves = head.Capabilities != Capabilities;
            (Endpoint, Capabilities) = (head.Characteristics, head.Capabilities);
            WriteEndpoint();
        }

        if ((isIdle && (_isToAdopt || IsTouched(head.Overlay))) || _guest.Options.Skips(MergeSteps.Overlay))
            Adopt(head);
        _look.Run();
        return moves;
    }

    /// <summary>Writes back what the controller has ended, to the guest alone whose it is.</summary>
    public void Complete()
    {
        bool isAny = false;
        foreach (TransferCopy copy in _transfers.Values)
        {
            if (!copy.IsArmed)
                continue;
            TransferToken token = _guest.Pool.Read<TransferToken>(copy.Address + TransferDescriptor.TokenOffset);
            if (token.Active)
                continue;
            copy.IsArmed = false;
            isAny = true;
            WriteBack(copy, token);
        }

        if (isAny)
            Show();
    }

    /// <summary>The controller cannot come to the copy any more: what it left goes to the guest, and the slots are free.</summary>
    public void Retire()
    {
        Complete();
        Show();
        foreach (TransferCopy copy in _transfers.Values)
            _guest.Return(copy);
        _transfers.Clear();
        _guest.Pool.Return(Address);
    }

    /// <summary>The copy of a qTD; made where there is none.</summary>
    /// <returns><c>null</c> where no slot is free.</returns>
    public TransferCopy? CopyOf(uint guestAddress)
    {
        if (_transfers.TryGetValue(guestAddress, out TransferCopy? known))
            return known;
        if (_guest.TryTake(guestAddress) is not { } copy)
            return null;
        _transfers.Add(guestAddress, copy);
        return copy;
    }

    /// <summary>Forgets the qTDs that the last look did not come to: the controller does not either.</summary>
    /// <param name="look">The number of the look.</param>
    /// <param name="current">What is kept all the same, or null.</param>
    /// <param name="passed">A list to work with; it is empty, and will be.</param>
    public void ForgetPassed(uint look, TransferCopy? current, List<TransferCopy> passed)
    {
        foreach (TransferCopy copy in _transfers.Values)
        {
            if (copy.Look != look && copy != current)
                passed.Add(copy);
        }

        foreach (TransferCopy copy in passed)
        {
            _ = _transfers.Remove(copy.GuestAddress);
            _guest.Return(copy);
        }

        passed.Clear();
    }

    /// <summary>A transfer that must not be executed ends as if nobody had answered.</summary>
    public void Refuse(TransferCopy copy, in TransferDescriptor guest)
    {
        TransferToken token = guest.Token with { Active = false, Halted = true, TransactionError = true, ErrorCount = 0 };
        copy.Guest = guest;
        _guest.Pool.Write(Address + QueueHead.OverlayOffset + TransferDescriptor.TokenOffset, token);
        WriteBack(copy, token);
        Show();
    }

    /// <summary>A link of the guest, as the copy has it.</summary>
    /// <returns><c>false</c> where there is no slot for what it leads to.</returns>
    public bool TryLink(TransferLink link, out TransferLink copied)
    {
        copied = new() { Terminate = true };
        if (link.Terminate)
            return true;
        if (CopyOf(link.Address) is not { } target)
            return false;
        copied = new() { Address = target.Address };
        return true;
    }

    // The guest filled the overlay itself, as software may while the queue is at rest.
    private void Adopt(in QueueHead head)
    {
        TransferDescriptor overlay = head.Overlay;
        _isToAdopt = true;
        if (!TryLink(overlay.Next, out TransferLink next) || !TryLink(overlay.AlternateNext, out TransferLink alternate))
            return;
        TransferLink current = default;
        if (overlay.Token.Active)
        {
            if (CopyOf(head.Current.Address) is not { } executed)
                return;
            _isBroken = !_look.TryTranslate(overlay, out TransferDescriptor translated);
            if (_isBroken)
                return;

            // Its end is written to where the guest says that it came from.
            executed.Guest = overlay;
            executed.IsArmed = true;
            overlay = translated;
            current = new() { Address = executed.Address };
            _guest.Pool.Write(executed.Address + TransferDescriptor.TokenOffset, overlay.Token);
        }

        _guest.Pool.Write(Address + QueueHead.CurrentOffset, current);
        _guest.Pool.Write(Address + QueueHead.OverlayOffset, overlay with
        {
            Next = next,
            AlternateNext = alternate with { NakCounter = overlay.AlternateNext.NakCounter },
        });
        (_shown, _isToAdopt) = (head.Overlay, false);
    }

    private bool IsTouched(in TransferDescriptor overlay) =>
        overlay.Next != _shown.Next || overlay.Token != _shown.Token
        || overlay.AlternateNext with { NakCounter = 0 } != _shown.AlternateNext with { NakCounter = 0 };

    private void WriteBack(TransferCopy copy, TransferToken token)
    {
        // Only what was active becomes inactive; what the guest made of it meanwhile is the guest's.
        ulong at = _guest.At(copy.GuestAddress) + TransferDescriptor.TokenOffset;
        bool isOwn = _guest.Space.TryRead(at, sizeof(uint), out TransferToken now) && now.Active;
        bool isShort = token is { PacketId: PacketId.In, Halted: false, TotalBytes: not 0 };
        BufferPointer page = copy.Guest.Page0 with { Offset = _guest.Pool.Read<BufferPointer>(copy.Address + TransferDescriptor.PagesOffset).Offset };
        if (isOwn)
        {
            Span<uint> words = [token.Raw.Value, page.Raw.Value];
            _guest.Space.Write(at, MemoryMarshal.AsBytes(words));
        }

        _guest.Statistics.WrittenBack++;
        _look.Ended(token);
        _guest.Virtual.Post(token.InterruptOnComplete || isShort, token.Halted);
    }

    // What the overlay of the guest shows: that of the copy, with the guest's pointers. Nothing where the guest wrote into it.
    private void Show()
    {
        if (_guest.Options.Skips(MergeSteps.Overlay))
            return;
        ulong at = _guest.At(GuestAddress);
        int size = _guest.Virtual.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        if (!_guest.Space.TryRead(at, size, out QueueHead head) || IsTouched(head.Overlay))
            return;
        QueueHead copy = _guest.Pool.Read<QueueHead>(Address);
        TransferCopy? current = _guest.Pool.TransferAt(copy.Current.Address);
        TransferDescriptor own = current?.Guest ?? head.Overlay;
        TransferDescriptor shown = own with
        {
            AlternateNext = own.AlternateNext with { NakCounter = copy.Overlay.AlternateNext.NakCounter },
            Token = copy.Overlay.Token,
            Page0 = own.Page0 with { Offset = copy.Overlay.Page0.Offset },
        };
        head = head with { Current = current is null ? head.Current : new() { Address = current.GuestAddress }, Overlay = shown };
        ReadOnlySpan<byte> whole = MemoryMarshal.AsBytes(new ReadOnlySpan<QueueHead>(in head));
        _guest.Space.Write(at + QueueHead.CurrentOffset, whole[QueueHead.CurrentOffset..size]);
        _shown = shown;
    }
}
