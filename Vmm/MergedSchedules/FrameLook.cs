using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Copies the isochronous descriptors that a VM has in a frame that comes next.</summary>
/// <param name="guest">The VM.</param>
internal sealed class FrameLook(CopiedGuest guest)
{
    private const int PageBytes = 4096;
    private const int FirstPageWord = IsochronousTransferDescriptor.PagesOffset / sizeof(uint);
    private const int FirstHighWord = IsochronousTransferDescriptor.HighOffset / sizeof(uint);

    /// <summary>Copies them.</summary>
    /// <param name="first">The first structure of the frame.</param>
    /// <param name="merge">Who has the time of the frame.</param>
    /// <param name="number">The frame.</param>
    /// <param name="copies">Gets the copies.</param>
    /// <returns><c>false</c> where the controller would meet an error of the host system.</returns>
    public bool TryCopy(LinkPointer first, FrameMerge merge, ulong number, List<FrameCopy> copies)
    {
        LinkPointer at = first;
        for (int count = 0; !at.Terminate; count++)
        {
            if (count == GuestFrames.NodesMax || !guest.Space.TryRead(guest.At(at.Address), sizeof(uint), out LinkPointer next))
                return false;
            guest.Statistics.NodesVisited++;
            bool isWell = at.Type switch
            {
                LinkType.IsochronousTransfer => TryCopySlots(at.Address, merge, copies),
                LinkType.SplitIsochronousTransfer => TryCopySplit(at.Address, merge, number, copies),
                _ => true,
            };
            if (!isWell)
                return false;
            at = next;
        }

        return true;
    }

    private bool TryCopySlots(uint address, FrameMerge merge, List<FrameCopy> copies)
    {
        int size = guest.Virtual.Is64Bit ? IsochronousTransferDescriptor.Size64 : IsochronousTransferDescriptor.Size32;
        if (!guest.Space.TryRead(guest.At(address), size, out IsochronousTransferDescriptor descriptor))
            return false;
        Span<uint> words = MemoryMarshal.Cast<IsochronousTransferDescriptor, uint>(new Span<IsochronousTransferDescriptor>(ref descriptor));
        byte elsewhere = merge.ArmedElsewhere(guest, address);
        byte armed = 0, used = 0;
        bool isAny = false;
        for (int microframe = 0; microframe < 8; microframe++)
        {
            IsochronousSlot slot = new(new(words[1 + microframe]));
            isAny |= slot.Active;
            if (slot.Active && (elsewhere >> microframe & 1) == 0 && merge.TryTake(microframe, NeedOf(descriptor, slot)))
            {
                armed |= (byte)(1 << microframe);
                used |= PagesOf(descriptor, slot);
                continue;
            }

            guest.Statistics.Unadmitted += slot.Active && (elsewhere >> microframe & 1) == 0 ? 1u : 0;
            words[1 + microframe] = (slot with { Active = false }).Raw.Value;
        }

        if (!isAny || armed == 0)
            return true;
        int device = descriptor.Page0.DeviceAddress;
        if (!TryTranslate(words, used))
            return false;
        if (guest.Pool.TryTake(out uint slotAddress))
            Add(copies, new(guest, address, slotAddress, LinkType.IsochronousTransfer, armed, device, 0), descriptor);
        return true;
    }

    private bool TryCopySplit(uint address, FrameMerge merge, ulong number, List<FrameCopy> copies)
    {
        int size = guest.Virtual.Is64Bit ? SplitIsochronousTransferDescriptor.Size64 : SplitIsochronousTransferDescriptor.Size32;
        if (!guest.Space.TryRead(guest.At(address), size, out SplitIsochronousTransferDescriptor descriptor))
            return false;
        if (!descriptor.State.Active || merge.ArmedElsewhere(guest, address) != 0)
            return true;
        if (!TryTakeSplit(merge, descriptor))
        {
            guest.Statistics.Unadmitted++;
            return true;
        }

        bool isSecond = descriptor.State.PageSelect;
        bool crosses = !isSecond && descriptor.Page0.Offset + descriptor.State.TotalBytes > PageBytes;
        bool isMemory = descriptor.State.TotalBytes == 0
            || ((isSecond || IsMemory(descriptor.High0, descriptor.Page0.Page)) && (!(isSecond || crosses) || IsMemory(descriptor.High1, descriptor.Page1.Page)));
        if (!isMemory)
            return false;
        uint before = descriptor.Back.Terminate ? 0 : merge.CopyBefore(number, guest, descriptor.Back.Address);
        SplitIsochronousTransferDescriptor copied = descriptor with
        {
            Back = before == 0 ? new() { Terminate = true } : new() { Type = LinkType.SplitIsochronousTransfer, Address = before },
            High0 = isSecond ? default : High(descriptor.High0),
            High1 = isSecond || crosses ? High(descriptor.High1) : default,
        };
        if (guest.Pool.TryTake(out uint slotAddress))
        {
            SplitIsochronousEndpoint endpoint = descriptor.Endpoint;
            Add(copies, new(guest, address, slotAddress, LinkType.SplitIsochronousTransfer, 1, endpoint.DeviceAddress, endpoint.HubAddress), copied);
        }

        return true;
    }

    private void Add<T>(List<FrameCopy> copies, in FrameCopy copy, in T structure)
        where T : unmanaged
    {
        guest.Statistics.FramesCopied++;
        guest.Pool.Write(copy.Address, structure);
        copy.WriteEndpoint();
        copies.Add(copy);
    }

    private static uint NeedOf(in IsochronousTransferDescriptor descriptor, IsochronousSlot slot)
    {
        int transactions = Math.Max(descriptor.Page2.Multiplier, 1);
        int bytes = Math.Min(slot.Length, transactions * descriptor.Page1.MaxPacketSize);
        return TransactionTime.HighSpeedIsochronous(bytes) + ((uint)(transactions - 1) * TransactionTime.HighSpeedIsochronous(0));
    }

    private static bool TryTakeSplit(FrameMerge merge, in SplitIsochronousTransferDescriptor descriptor)
    {
        PeriodicEndpoint need = new(EndpointSpeed.Full, IsIsochronous: true, descriptor.Endpoint.In, Math.Max(descriptor.State.TotalBytes, 1), 8);
        for (int microframe = 0; microframe < 8; microframe++)
        {
            uint ns = ((descriptor.Schedule.StartMask >> microframe & 1) != 0 ? need.StartNs : 0)
                + (need.In && (descriptor.Schedule.CompleteMask >> microframe & 1) != 0 ? need.CompleteNs : 0);
            if (ns != 0 && !merge.TryTake(microframe, ns))
                return false;
        }

        return true;
    }

    // The pages that a slot uses, a bit for each; behind the seventh there is none.
    private static byte PagesOf(in IsochronousTransferDescriptor descriptor, IsochronousSlot slot)
    {
        int bytes = Math.Min(slot.Length, Math.Max(descriptor.Page2.Multiplier, 1) * descriptor.Page1.MaxPacketSize);
        int pages = bytes == 0 ? 0 : slot.Offset + bytes > PageBytes ? 3 : 1;
        return (byte)((pages << slot.PageSelect) & ((1 << IsochronousTransferDescriptor.PageCount) - 1));
    }

    private bool TryTranslate(Span<uint> words, byte used)
    {
        bool isMemory = true;
        for (int page = 0; page < IsochronousTransferDescriptor.PageCount; page++)
        {
            Machine.Bits32 high = new(words[FirstHighWord + page]);
            bool isUsed = (used >> page & 1) != 0;
            isMemory &= !isUsed || IsMemory(high, new IsochronousPointer(new(words[FirstPageWord + page])).Page);
            words[FirstHighWord + page] = isUsed ? High(high).Value : 0;
        }

        return isMemory;
    }

    private bool IsMemory(Machine.Bits32 high, uint page) => guest.Space.HasPage(((ulong)(guest.Virtual.Is64Bit ? high.Value : 0) << 32) | page);

    private Machine.Bits32 High(Machine.Bits32 high) => new(guest.Window | (guest.Virtual.Is64Bit ? high.Value : 0));
}
