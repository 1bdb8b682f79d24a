using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One look along the qTDs of a queue, from where the controller is: what became active is copied.</summary>
/// <param name="guest">The VM.</param>
/// <param name="queue">The queue.</param>
internal sealed class QueueLook(CopiedGuest guest, QueueCopy queue)
{
    /// <summary>The most qTDs that a look comes to; those behind are found as these are executed.</summary>
    private const int TransfersMax = 256;

    private const int SetupOffset = 64;
    private const int PageBytes = 4096;

    private readonly List<TransferCopy> _ahead = [];
    private readonly List<TransferCopy> _active = [];
    private readonly List<TransferCopy> _passed = [];
    private uint _number;
    private bool _hasRequest;
    private bool _isBusy;

    // The request under way: whom it was sent to, and which way its status stage goes.
    private int? _requestTo;
    private PacketId _statusPid;

    /// <summary>Whether the controller stands before something that it cannot read.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether something waits that could not be copied.</summary>
    public bool HasHeld { get; private set; }

    /// <summary>Looks.</summary>
    public void Run()
    {
        _number++;
        (HasHeld, IsBroken, _hasRequest) = (false, false, false);
        TransferDescriptor overlay = queue.Overlay;
        _isBusy = overlay.Token.Active;

        // Where the queue can go on comes first.
        if (overlay.Token.Active)
            Follow(overlay.Token, overlay.Next, overlay.AlternateNext);
        else
            Come(Target(GoesOnAt(overlay)));
        for (int index = 0; index < _ahead.Count && index < TransfersMax; index++)
            Look(_ahead[index]);
        IsBroken = !overlay.Token.Active && !overlay.Token.Halted && Target(GoesOnAt(overlay)) is { IsBroken: true };

        // From the last to the first: when the first turns active, everything behind it is in place.
        for (int index = _active.Count - 1; index >= 0; index--)
            Arm(_active[index]);
        _active.Clear();
        _ahead.Clear();

        // What the overlay is a copy of stays known.
        queue.ForgetPassed(_number, Target(guest.Pool.Read<TransferLink>(queue.Address + QueueHead.CurrentOffset)), _passed);
    }

    /// <summary>Whether the controller is not in a transfer and has none before it.</summary>
    public bool IsIdle(in TransferDescriptor overlay) =>
        !overlay.Token.Active && (overlay.Token.Halted || Target(GoesOnAt(overlay)) is not { IsArmed: true });

    /// <summary>A transfer of the queue is over.</summary>
    public void Ended(TransferToken token)
    {
        if (_requestTo is not { } device || (!token.Halted && token.PacketId != _statusPid))
            return;
        _requestTo = null;
        guest.Addresses.Ended(guest.Number, device, isDone: !token.Halted);
    }

    /// <summary>Puts the pages that a transfer uses into the window of the VM.</summary>
    /// <returns><c>false</c> where one is no memory of the VM.</returns>
    public bool TryTranslate(in TransferDescriptor descriptor, out TransferDescriptor translated)
    {
        translated = descriptor with { High0 = default, High1 = default, High2 = default, High3 = default, High4 = default };
        int bytes = descriptor.Token.TotalBytes;
        if (bytes == 0)
            return true;
        int first = descriptor.Token.CurrentPage;
        int last = Math.Min(first + ((descriptor.Page0.Offset + bytes - 1) / PageBytes), TransferDescriptor.PageCount - 1);
        bool isMemory = true;
        bool Uses(int page) => page >= first && page <= last;
        translated = translated with
        {
            High0 = Uses(0) ? High(descriptor.Page0, descriptor.High0, ref isMemory) : default,
            High1 = Uses(1) ? High(descriptor.Page1, descriptor.High1, ref isMemory) : default,
            High2 = Uses(2) ? High(descriptor.Page2, descriptor.High2, ref isMemory) : default,
            High3 = Uses(3) ? High(descriptor.Page3, descriptor.High3, ref isMemory) : default,
            High4 = Uses(4) ? High(descriptor.Page4, descriptor.High4, ref isMemory) : default,
        };
        return isMemory;
    }

    private static TransferLink GoesOnAt(in TransferDescriptor overlay) =>
        overlay.Token.TotalBytes != 0 && !overlay.AlternateNext.Terminate ? overlay.AlternateNext : overlay.Next;

    private Machine.Bits32 High(BufferPointer page, Machine.Bits32 high, ref bool isMemory)
    {
        uint upper = guest.Virtual.Is64Bit ? high.Value : 0;
        isMemory &= guest.Space.HasPage(((ulong)upper << 32) | page.Page);
        return new(guest.Window | upper);
    }

    private TransferCopy? Target(TransferLink link) => link.Terminate ? null : guest.Pool.TransferAt(link.Address);

    private void Come(TransferCopy? copy)
    {
        if (copy is null || copy.Look == _number)
            return;
        copy.Look = _number;
        _ahead.Add(copy);
    }

    private void Look(TransferCopy copy)
    {
        guest.Statistics.NodesVisited++;
        guest.Visited(copy.GuestAddress);
        int size = guest.Virtual.Is64Bit ? TransferDescriptor.Size64 : TransferDescriptor.Size32;
        copy.IsBroken = !guest.Space.TryRead(guest.At(copy.GuestAddress), size, out TransferDescriptor descriptor);
        if (copy.IsBroken)
            return;
        if (copy.IsArmed)
        {
            // What is appended behind the last one, as far as the controller has not taken its links already.
            _isBusy = true;
            if (descriptor.Next != copy.Guest.Next || descriptor.AlternateNext != copy.Guest.AlternateNext)
                Relink(copy, descriptor);
        }
        else if (!descriptor.Token.Active || !MayCopy(copy, descriptor))
        {
            return;
        }

        Follow(copy.Guest.Token, guest.Pool.Read<TransferLink>(copy.Address), guest.Pool.Read<TransferLink>(copy.Address + sizeof(uint)));
    }

    // The alternate is for what ends short, which data to the host alone does: of others it may lead anywhere.
    private void Follow(TransferToken token, TransferLink next, TransferLink alternate)
    {
        Come(Target(next));
        if (token is { PacketId: PacketId.In, TotalBytes: not 0 })
            Come(Target(alternate));
    }

    private void Relink(TransferCopy copy, in TransferDescriptor descriptor)
    {
        if (!queue.TryLink(descriptor.Next, out TransferLink next) || !queue.TryLink(descriptor.AlternateNext, out TransferLink alternate))
            return;
        copy.Guest = copy.Guest with { Next = descriptor.Next, AlternateNext = descriptor.AlternateNext };
        guest.Pool.Write(copy.Address, next);
        guest.Pool.Write(copy.Address + sizeof(uint), alternate);
    }

    // Everything but the token, which makes it active.
    private bool MayCopy(TransferCopy copy, in TransferDescriptor descriptor)
    {
        bool isControl = queue.Endpoint.Endpoint == 0;
        bool isRequest = isControl && descriptor.Token.PacketId == PacketId.Setup;
        int device = queue.Endpoint.DeviceAddress;
        if (_hasRequest && isRequest)
            return Hold();
        if (guest.Addresses.Holds(guest.Number, device) || (device == 0 && guest.Ports.IsEnding))
            return Hold();
        if (!TryTranslate(descriptor, out TransferDescriptor translated))
        {
            copy.IsBroken = true;
            return false;
        }

        if (isRequest && !MayRequest(copy, descriptor, ref translated))
            return false;
        if (!queue.TryLink(descriptor.Next, out TransferLink next) || !queue.TryLink(descriptor.AlternateNext, out TransferLink alternate))
            return Hold();
        guest.Pool.Write(copy.Address, translated with { Next = next, AlternateNext = alternate, Token = default });
        copy.Guest = descriptor;
        (_isBusy, _hasRequest) = (true, _hasRequest || isRequest);
        _active.Add(copy);
        return true;
    }

    // A request waits until everything before it is over, and is sent out of memory of the VMM: the guest cannot change it after the check.
    private bool MayRequest(TransferCopy copy, in TransferDescriptor descriptor, ref TransferDescriptor translated)
    {
        if (_isBusy || guest.Pool.Free < 2)
            return Hold();
        Span<byte> setup = stackalloc byte[SetupPacket.Size];
        int device = queue.Endpoint.DeviceAddress;
        bool isWhole = descriptor.Token is { TotalBytes: SetupPacket.Size, CurrentPage: 0 } && queue.Endpoint.MaxPacketSize >= SetupPacket.Size;
        if (isWhole && (!TryReadSetup(descriptor, setup) || guest.Addresses.Holds(guest.Number, device, setup)))
            return Hold();
        SetupPacket request = Packed.Read<SetupPacket>(setup);
        if (!isWhole || !guest.Addresses.TryRequest(guest.Number, device, setup))
        {
            queue.Refuse(copy, descriptor);
            return false;
        }

        (_requestTo, _statusPid) = (device, request is { In: true, Length: not 0 } ? PacketId.Out : PacketId.In);
        uint at = copy.Address + SetupOffset;
        guest.Pool.Write(at, Packed.Read<ulong>(setup));
        translated = translated with { Page0 = new(new(at)), High0 = default, Page1 = new(new(at & ~(PageBytes - 1u))), High1 = default };
        return true;
    }

    private bool TryReadSetup(in TransferDescriptor descriptor, Span<byte> setup)
    {
        int first = Math.Min(setup.Length, PageBytes - descriptor.Page0.Offset);
        ulong Page(BufferPointer page, Machine.Bits32 high) => ((ulong)(guest.Virtual.Is64Bit ? high.Value : 0) << 32) | page.Page;
        return guest.Space.TryRead(Page(descriptor.Page0, descriptor.High0) + (uint)descriptor.Page0.Offset, setup[..first])
            && (first == setup.Length || guest.Space.TryRead(Page(descriptor.Page1, descriptor.High1), setup[first..]));
    }

    private bool Hold()
    {
        HasHeld = true;
        return false;
    }

    private void Arm(TransferCopy copy)
    {
        guest.Statistics.TransfersCopied++;
        copy.IsArmed = true;
        guest.Pool.Write(copy.Address + TransferDescriptor.TokenOffset, copy.Guest.Token);
    }
}
