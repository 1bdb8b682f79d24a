using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Looks at control queues as they are fetched: a request that changes who answers to an address waits, is changed, or goes to nobody.</summary>
/// <remarks>What was looked at is kept until the visit of the queue is over, so that a guest cannot change it in between.</remarks>
/// <param name="addresses">Who has which address.</param>
/// <param name="slotCount">How many slots.</param>
internal sealed class MergeRequests(DescriptorAddresses addresses, int slotCount)
{
    private const int PageBytes = ScheduleMemory.PageBytes;

    // By slot and address: which way the status stage of the request under way goes.
    private readonly PacketId?[] _status = new PacketId?[slotCount * UsbBus.AddressCount];
    private readonly byte[] _setup = new byte[SetupPacket.Size];
    private TransferDescriptor _ahead;
    private uint _aheadAt;
    private bool _hasAhead;
    private int _left;

    /// <summary>What becomes of a visit.</summary>
    public enum Verdict
    {
        /// <summary>Never asked.</summary>
        None = 0,

        /// <summary>It goes on.</summary>
        Go,

        /// <summary>It has to wait: the controller finds no work.</summary>
        Wait,

        /// <summary>It goes to nobody.</summary>
        Nobody,
    }

    /// <summary>Nothing is kept of the visit before.</summary>
    public void Forget() => (_hasAhead, _left) = (false, 0);

    /// <summary>A queue was fetched.</summary>
    /// <param name="slot">Of which VM.</param>
    /// <param name="head">The queue, as the VM has it.</param>
    /// <param name="size">Bytes of a qTD.</param>
    public Verdict Look(MergeSlot slot, in QueueHead head, int size)
    {
        EndpointCharacteristics endpoint = head.Characteristics;
        if (endpoint.Endpoint != 0)
            return Verdict.Go;
        TransferDescriptor transfer = head.Overlay;
        if (!transfer.Token.Active && !TryReadAhead(slot, head.Overlay, size, out transfer))
            return Verdict.Go;
        if (endpoint.DeviceAddress == 0 && (slot.HoldsZero || addresses.Holds(slot.Number, 0)))
            return Verdict.Wait;
        bool isStarted = endpoint.Speed != EndpointSpeed.High && head.Overlay.Token is { Active: true, SplitTransactionState: true };
        int bytes = Math.Min(transfer.Token.TotalBytes, Math.Min(endpoint.MaxPacketSize, UsbBus.PacketMax));
        if (transfer.Token.PacketId != PacketId.Setup || isStarted || bytes != SetupPacket.Size || !addresses.IsThere(slot.Number, endpoint.DeviceAddress))
            return Verdict.Go;
        return LookAtRequest(slot, endpoint.DeviceAddress, transfer);
    }

    /// <summary>A qTD as it was looked at; <c>false</c> where it was not.</summary>
    public bool TryReadAhead(uint address, Span<byte> bytes)
    {
        if (!_hasAhead || address != _aheadAt)
            return false;
        MemoryMarshal.AsBytes(new ReadOnlySpan<TransferDescriptor>(in _ahead))[..bytes.Length].CopyTo(bytes);
        return true;
    }

    /// <summary>The next bytes of the request that was looked at; <c>false</c> where there is none.</summary>
    public bool TryReadSetup(Span<byte> bytes)
    {
        if (_left == 0 || bytes.Length > _left)
            return false;
        _setup.AsSpan(SetupPacket.Size - _left, bytes.Length).CopyTo(bytes);
        _left -= bytes.Length;
        return true;
    }

    /// <summary>A qTD of a control queue is over.</summary>
    public void Ended(MergeSlot slot, int device, TransferToken token)
    {
        ref PacketId? status = ref _status[(slot.Number * UsbBus.AddressCount) + device];
        if (status is not { } pid || (!token.Halted && token.PacketId != pid))
            return;
        status = null;
        addresses.Ended(slot.Number, device, isDone: !token.Halted);
    }

    private Verdict LookAtRequest(MergeSlot slot, int device, in TransferDescriptor transfer)
    {
        int at = transfer.Page0.Offset;
        int page = transfer.Token.CurrentPage;
        int first = Math.Min(SetupPacket.Size, PageBytes - at);
        Span<byte> setup = _setup;
        if (!slot.TryReadData(new(PageOf(transfer, page) | (uint)at), setup[..first])
            || (first != setup.Length && !slot.TryReadData(new(PageOf(transfer, page + 1)), setup[first..])))
            return Verdict.Wait;
        if (addresses.Holds(slot.Number, device, setup))
            return Verdict.Wait;
        SetupPacket request = Packed.Read<SetupPacket>(setup);
        if (!addresses.TryRequest(slot.Number, device, setup))
            return Verdict.Nobody;
        _left = SetupPacket.Size;
        _status[(slot.Number * UsbBus.AddressCount) + device] = request is { In: true, Length: not 0 } ? PacketId.Out : PacketId.In;
        return Verdict.Go;
    }

    // The qTD that the controller is about to go on with; `false` where it finds no work.
    private bool TryReadAhead(MergeSlot slot, in TransferDescriptor overlay, int size, out TransferDescriptor next)
    {
        next = default;
        TransferLink link = overlay.Token.TotalBytes != 0 && !overlay.AlternateNext.Terminate ? overlay.AlternateNext : overlay.Next;
        if (overlay.Token.Halted || link.Terminate || MergeLinks.KindOf(link.Address) != MergeLinkKind.Guest || !slot.TryRead(link.Address, size, out next))
            return false;
        (_ahead, _aheadAt, _hasAhead) = (next, link.Address, true);
        return next.Token.Active;
    }

    private static ulong PageOf(in TransferDescriptor transfer, int page)
    {
        (BufferPointer low, Bits32 high) = page switch
        {
            0 => (transfer.Page0, transfer.High0),
            1 => (transfer.Page1, transfer.High1),
            2 => (transfer.Page2, transfer.High2),
            3 => (transfer.Page3, transfer.High3),
            _ => (transfer.Page4, transfer.High4),
        };
        return ((ulong)high.Value << 32) | low.Page;
    }
}
