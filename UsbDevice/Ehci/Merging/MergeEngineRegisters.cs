using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The registers of a merge engine: see <see cref="MergeEngineOffsets"/>.</summary>
/// <param name="engine">The engine.</param>
/// <param name="options">How it is built.</param>
/// <param name="lanes">The functions under whose names it reaches memory.</param>
internal sealed class MergeEngineRegisters(MergeEngine engine, MergingEhciOptions options, IReadOnlyList<MergeLane> lanes)
{
    private const uint NoSlot = 0xFF;
    private const uint DoorbellBit = 1 << 6;
    private const uint ShiftMask = 0x3FF;

    /// <summary>A read by software.</summary>
    public ulong Read(ulong offset, int width)
    {
        uint value = Read((int)offset & ~3);
        return (value >> (8 * ((int)offset & 3))) & Machine.RegisterFile.AllOnes(width);
    }

    /// <summary>A write by software: registers are doublewords, and other accesses write nothing.</summary>
    public void Write(ulong offset, int width, ulong value)
    {
        if (width != sizeof(uint) || (offset & 3) != 0 || offset < MergeEngineOffsets.FirstSlot)
            return;
        int at = (int)offset - MergeEngineOffsets.FirstSlot;
        if (at / MergeEngineOffsets.SlotStride < engine.Slots.Count)
            Write(engine.Slots[at / MergeEngineOffsets.SlotStride], at % MergeEngineOffsets.SlotStride, (uint)value);
    }

    private uint Read(int offset) => offset switch
    {
        MergeEngineOffsets.Id => MergeEngineOffsets.IdValue,
        MergeEngineOffsets.Counts => (uint)engine.Slots.Count | (engine.Addresses.IsOn ? 1u << 16 : 0),
        MergeEngineOffsets.NoticeLow => (uint)engine.Notices,
        MergeEngineOffsets.NoticeHigh => (uint)(engine.Notices >> 32),
        MergeEngineOffsets.LinkSegment => MergeLinks.Segment,
        MergeEngineOffsets.LinkFrames => MergeLinks.Frames,
        MergeEngineOffsets.LinkHead => MergeLinks.Head,
        MergeEngineOffsets.AddressZero => engine.Addresses.ZeroOwner is var owner and >= 0 ? (uint)owner : NoSlot,
        >= MergeEngineOffsets.FirstAddress and < MergeEngineOffsets.FirstAddress + (sizeof(uint) * UsbBus.AddressCount) =>
            ReadAddress((byte)((offset - MergeEngineOffsets.FirstAddress) / sizeof(uint))),
        >= MergeEngineOffsets.FirstSlot => ReadSlot(offset - MergeEngineOffsets.FirstSlot),
        _ => 0,
    };

    private uint ReadAddress(byte real)
    {
        AddressEntry entry = engine.Addresses.EntryOf(real);
        return ((uint)entry.State << 30) | ((uint)entry.Set << 8) | entry.Virtual;
    }

    private uint ReadSlot(int offset)
    {
        int number = offset / MergeEngineOffsets.SlotStride;
        if (number >= engine.Slots.Count)
            return 0;
        MergeSlot slot = engine.Slots[number];
        return (offset % MergeEngineOffsets.SlotStride) switch
        {
            MergeEngineOffsets.Control => slot.Control,
            MergeEngineOffsets.Segment => slot.Segment,
            MergeEngineOffsets.Frames => slot.Frames,
            MergeEngineOffsets.Ring => slot.Ring,
            MergeEngineOffsets.Shift => slot.Shift,
            MergeEngineOffsets.Status => slot.Status,
            MergeEngineOffsets.Share => slot.ShareNs,
            MergeEngineOffsets.Requester => lanes[number].Source.Value,
            MergeEngineOffsets.Shut => slot.Shut,
            MergeEngineOffsets.CutOffs => slot.CutOffs,
            _ => 0,
        };
    }

    private void Write(MergeSlot slot, int register, uint value)
    {
        switch (register)
        {
            case MergeEngineOffsets.Control:
                slot.Control = value;
                if ((value & DoorbellBit) != 0)
                    slot.RingDoorbell(options.AnswersLate);
                break;
            case MergeEngineOffsets.Segment:
                slot.Segment = value;
                break;
            case MergeEngineOffsets.Frames:
                slot.Frames = value & ~0xFFFu;
                break;
            case MergeEngineOffsets.Ring:
                slot.Ring = value & ~0x1Fu;
                break;
            case MergeEngineOffsets.Shift:
                slot.Shift = value & ShiftMask;
                break;
            case MergeEngineOffsets.Status:
                slot.Clear(value);
                break;
            case MergeEngineOffsets.Share:
                slot.ShareNs = Math.Min(value, PeriodicBudget.LimitNs);
                break;
            case MergeEngineOffsets.Port:
                ChangePort(slot.Number, (int)(value & 0xFF), value >> 8 & 3);
                break;
            case MergeEngineOffsets.Shut:
                slot.Shut &= ~value;
                break;
            default:
                break;
        }
    }

    private void ChangePort(int slot, int port, uint change)
    {
        if (change == 1)
            _ = engine.Addresses.Enabled(slot, port);
        else if (change == 2)
            engine.Addresses.Disabled(slot, port);
        else if (change == 3)
            engine.Addresses.Reset(slot);
    }
}
