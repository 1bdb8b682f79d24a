using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The descriptors of isochronous packets: an iTD or a siTD for each frame of an endpoint.</summary>
/// <param name="memory">Where they lie.</param>
/// <param name="endpoint">Which endpoint.</param>
/// <param name="connection">Of which device.</param>
/// <param name="place">In which microframes it is served.</param>
internal sealed class EhciIsochronousFrames(EhciMemory memory, UsbEndpoint endpoint, EhciConnection connection, PeriodicPlace place)
{
    private const ulong PageMask = 0xFFF;

    private readonly EndpointDescriptor _descriptor = endpoint.Descriptor;
    private readonly UsbTranslator? _translator = connection.Location.Translator;

    /// <summary>What stands in the frame list.</summary>
    public LinkType Type => _translator is null ? LinkType.IsochronousTransfer : LinkType.SplitIsochronousTransfer;

    /// <summary>Packets of one frame.</summary>
    public int PacketsPerFrame => _translator is null ? int.PopCount(place.StartMask) : 1;

    /// <summary>Takes a descriptor for the packets of a frame and fills it, all but its link.</summary>
    /// <param name="buffer">Where the packets of the transfer lie for the device.</param>
    /// <param name="packets">Those of this frame.</param>
    /// <param name="isLast">Whether the last one interrupts.</param>
    public int Write(Iova buffer, ReadOnlySpan<IsochronousPacket> packets, bool isLast)
    {
        int offset = memory.TakeLarge();
        if (_translator is null)
            WriteHighSpeed(offset, buffer, packets, isLast);
        else
            WriteSplit(offset, buffer + (ulong)packets[0].Offset, packets[0].Length, isLast);
        return offset;
    }

    /// <summary>Whether the controller is through with a descriptor.</summary>
    public bool IsDone(int offset)
    {
        if (_translator is not null)
            return !memory.Read<SplitIsochronousState>(offset + SplitIsochronousTransferDescriptor.StateOffset).Active;
        int last = 7 - int.LeadingZeroCount(place.StartMask << 24);
        return !memory.Read<IsochronousSlot>(SlotAt(offset, last)).Active;
    }

    /// <summary>Writes into packets what became of them.</summary>
    public void Read(int offset, Span<IsochronousPacket> packets)
    {
        if (_translator is not null)
        {
            SplitIsochronousState state = memory.Read<SplitIsochronousState>(offset + SplitIsochronousTransferDescriptor.StateOffset);
            packets[0].Moved = Math.Max(0, packets[0].Length - state.TotalBytes);
            packets[0].Status = Classify(
                state.Active || state.MissedMicroframe, state.Babble, state.BufferError, state.TransactionError || state.TranslatorError);
            return;
        }

        for (int microframe = 0, packet = 0; microframe < 8 && packet < packets.Length; microframe++)
        {
            if (((place.StartMask >> microframe) & 1) == 0)
                continue;
            IsochronousSlot slot = memory.Read<IsochronousSlot>(SlotAt(offset, microframe));
            TransferStatus status = Classify(slot.Active, slot.Babble, slot.BufferError, slot.TransactionError);
            packets[packet].Status = status;

            // After an OUT the length need not say anything.
            packets[packet].Moved = status != TransferStatus.Completed ? 0
                : endpoint.In ? Math.Min(slot.Length, packets[packet].Length)
                : packets[packet].Length;
            packet++;
        }
    }

    /// <summary>Gives a descriptor back.</summary>
    public void Return(int offset) => memory.ReturnLarge(offset);

    private static int SlotAt(int offset, int microframe) => offset + IsochronousTransferDescriptor.SlotsOffset + 4 * microframe;

    private static TransferStatus Classify(bool isMissed, bool babble, bool bufferError, bool transactionError) =>
        isMissed ? TransferStatus.None
        : babble ? TransferStatus.Babble
        : bufferError ? TransferStatus.BufferError
        : transactionError ? TransferStatus.NoAnswer
        : TransferStatus.Completed;

    private void WriteHighSpeed(int offset, Iova buffer, ReadOnlySpan<IsochronousPacket> packets, bool isLast)
    {
        // Seven pages, from that of the first packet on, hold the packets of a frame.
        ulong firstPage = (buffer.Value + (ulong)packets[0].Offset) & ~PageMask;
        ulong end = buffer.Value + (ulong)(packets[^1].Offset + packets[^1].Length);
        memory.Write(offset, new IsochronousTransferDescriptor());
        for (int page = 0; page < IsochronousTransferDescriptor.PageCount && (page == 0 || firstPage + ((ulong)page << 12) < end); page++)
            WritePage(offset, page, firstPage + ((ulong)page << 12));
        for (int page = 0; page < 3; page++)
            WriteEndpoint(offset, page);

        int packet = 0;
        for (int microframe = 0; microframe < 8; microframe++)
        {
            if (((place.StartMask >> microframe) & 1) == 0)
                continue;
            ulong at = buffer.Value + (ulong)packets[packet].Offset - firstPage;
            memory.Write(SlotAt(offset, microframe), new IsochronousSlot
            {
                Active = true,
                Length = packets[packet].Length,
                InterruptOnComplete = isLast && packet == packets.Length - 1,
                PageSelect = (int)(at >> 12),
                Offset = (int)(at & PageMask),
            });
            packet++;
        }
    }

    private void WritePage(int offset, int page, ulong address)
    {
        memory.Write(offset + IsochronousTransferDescriptor.PagesOffset + 4 * page, new IsochronousPointer { Page = (uint)address });
        memory.Write(offset + IsochronousTransferDescriptor.HighOffset + 4 * page, (uint)(address >> 32));
    }

    // The low bits of the first three pages say which endpoint, which direction and size, and how many transactions.
    private void WriteEndpoint(int offset, int page)
    {
        int at = offset + IsochronousTransferDescriptor.PagesOffset + 4 * page;
        IsochronousPointer pointer = memory.Read<IsochronousPointer>(at);
        memory.Write(at, page switch
        {
            0 => pointer with { DeviceAddress = connection.Number, Endpoint = _descriptor.Number },
            1 => pointer with { In = endpoint.In, MaxPacketSize = _descriptor.MaxPacketSize },
            _ => pointer with { Multiplier = 1 + _descriptor.AdditionalTransactions },
        });
    }

    private void WriteSplit(int offset, Iova address, int length, bool isLast)
    {
        ulong second = (address.Value & ~PageMask) + PageMask + 1;
        int splits = Math.Max(1, (length + EhciPeriodicNeeds.SplitBytes - 1) / EhciPeriodicNeeds.SplitBytes);

        // A shorter packet needs fewer start-splits than there is room for: the first ones.
        byte starts = place.StartMask;
        while (!endpoint.In && int.PopCount(starts) > splits)
            starts = (byte)(starts & ~(1 << (7 - int.LeadingZeroCount(starts << 24))));
        memory.Write(offset, new SplitIsochronousTransferDescriptor(
            new() { Terminate = true },
            new()
            {
                DeviceAddress = connection.Number,
                Endpoint = _descriptor.Number,
                HubAddress = _translator!.Hub.Number,
                HubPort = _translator.Port,
                In = endpoint.In,
            },
            new() { StartMask = starts, CompleteMask = place.CompleteMask },
            new() { Active = true, TotalBytes = length, InterruptOnComplete = isLast },
            new() { Page = (uint)(address.Value & ~PageMask), Offset = (int)(address.Value & PageMask) },
            new()
            {
                Page = (uint)second,
                TransactionCount = endpoint.In ? 0 : splits,
                Position = !endpoint.In && splits > 1 ? SplitPosition.Begin : SplitPosition.All,
            },
            new() { Terminate = true },
            new((uint)(address.Value >> 32)),
            new((uint)(second >> 32))));
    }
}
