using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>An iTD or siTD of a guest and its copy for one frame.</summary>
/// <param name="Guest">The VM.</param>
/// <param name="GuestAddress">Where the guest has it, within its segment.</param>
/// <param name="Address">Where the copy is: a slot.</param>
/// <param name="Type">What it is.</param>
/// <param name="Armed">Which of its microframes are the controller's, a bit for each; of a siTD, bit 0.</param>
/// <param name="Device">The device, as the guest knows it.</param>
/// <param name="Hub">The hub, as the guest knows it.</param>
internal readonly record struct FrameCopy(CopiedGuest Guest, uint GuestAddress, uint Address, LinkType Type, byte Armed, int Device, int Hub)
{
    /// <summary>A pointer to the copy.</summary>
    public LinkPointer Pointer => new() { Type = Type, Address = Address };

    /// <summary>Lets the copy point to what comes behind it.</summary>
    public void Link(LinkPointer next) => Guest.Pool.Write(Address, next);

    /// <summary>Gives the slot back.</summary>
    public void Return() => Guest.Pool.Return(Address);

    /// <summary>Puts the addresses into the copy that the device and its hub have on the bus now.</summary>
    public void WriteEndpoint()
    {
        int device = Guest.Addresses.RealOf(Guest.Number, Device);
        if (Type == LinkType.IsochronousTransfer)
        {
            uint at = Address + IsochronousTransferDescriptor.PagesOffset;
            Guest.Pool.Write(at, Guest.Pool.Read<IsochronousPointer>(at) with { DeviceAddress = device });
        }
        else
        {
            uint at = Address + sizeof(uint);
            int hub = Guest.Addresses.RealOf(Guest.Number, Hub);
            Guest.Pool.Write(at, Guest.Pool.Read<SplitIsochronousEndpoint>(at) with { DeviceAddress = device, HubAddress = hub });
        }
    }

    /// <summary>Writes back what the controller has ended, where the guest still has it active.</summary>
    /// <returns>The copy, with what is left of it.</returns>
    public FrameCopy Complete() => Armed == 0 ? this : Type == LinkType.IsochronousTransfer ? CompleteSlots() : CompleteSplit();

    private FrameCopy CompleteSlots()
    {
        byte armed = Armed;
        for (int microframe = 0; microframe < 8; microframe++)
        {
            uint offset = (uint)(IsochronousTransferDescriptor.SlotsOffset + (sizeof(uint) * microframe));
            if ((armed >> microframe & 1) == 0 || Guest.Pool.Read<IsochronousSlot>(Address + offset) is not { Active: false } slot)
                continue;
            armed &= (byte)~(1 << microframe);
            if (Guest.Space.TryRead(Guest.At(GuestAddress) + offset, sizeof(uint), out IsochronousSlot now) && now.Active)
                Guest.Space.Write(Guest.At(GuestAddress) + offset, slot);
            Guest.Virtual.Post(slot.InterruptOnComplete, slot.BufferError || slot.Babble || slot.TransactionError);
        }

        if (armed == 0)
            Guest.Statistics.WrittenBack++;
        return this with { Armed = armed };
    }

    private FrameCopy CompleteSplit()
    {
        const int offset = SplitIsochronousTransferDescriptor.StateOffset;
        SplitIsochronousTransferDescriptor copy = Guest.Pool.Read<SplitIsochronousTransferDescriptor>(Address);
        SplitIsochronousState state = copy.State;
        if (state.Active)
            return this;
        if (Guest.Space.TryRead(Guest.At(GuestAddress) + offset, sizeof(uint), out SplitIsochronousState now) && now.Active)
        {
            Span<uint> words = [state.Raw.Value, copy.Page0.Raw.Value, copy.Page1.Raw.Value];
            Guest.Space.Write(Guest.At(GuestAddress) + offset, MemoryMarshal.AsBytes(words));
        }

        Guest.Statistics.WrittenBack++;
        bool isError = state.BufferError || state.Babble || state.TransactionError || state.TranslatorError || state.MissedMicroframe;
        Guest.Virtual.Post(state.InterruptOnComplete, isError);
        return this with { Armed = 0 };
    }
}
