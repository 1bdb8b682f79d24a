using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Carries out requests of a front end by a USB stack, each from its grants to its response.</summary>
/// <param name="stack">The stack.</param>
/// <param name="memory">The way to the guest's pages.</param>
/// <param name="copiedBytesMax">Up to how many bytes are copied.</param>
/// <param name="share">The guest's share of the controller; null where it shares it with nobody.</param>
/// <param name="looksAhead">Whether an isochronous stream goes on with blanks where the guest comes too late.</param>
/// <param name="journal">Where is noted how far requests came; null for nowhere.</param>
internal sealed class UrbExecutor(
    IUsbStack stack, IFrontEndMemory memory, int copiedBytesMax, TransferShare? share = null, bool looksAhead = false, UrbJournal? journal = null)
{
    /// <summary>Carries out one request; when it completes, nothing of it is in use any more.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<UrbResponse> Execute(UrbWork work)
    {
        UrbResponse response = new() { Id = work.Request.Id };
        UrbStatus refusal = UrbRules.Check(work);
        if (refusal != UrbStatus.Ok)
            return response with { Status = refusal };
        if (work.Request.Pipe.Type == UrbType.Isochronous)
            return await ExecuteIsochronous(work, response);

        // What the guest makes of an endpoint it makes one after the other.
        Gate turn = work.Port.TurnOf(work.Request.Pipe.Type == UrbType.Control ? (byte)0 : work.Endpoint);
        await turn.Enter();
        try
        {
            if (work.IsUnlinked)
                return response with { Status = UrbStatus.Unlinked };
            if (share is null || work.Request.Pipe.Type != UrbType.Bulk)
            {
                await stack.Processor.Delay(0);
                return await ExecuteData(work, response);
            }

            // Asked for before any time passes: a place that is free when the one before it ends is not given to another VM.
            TransferTurn slot = await share.Enter(work.Request.Length);
            try
            {
                await stack.Processor.Delay(0);
                return await ExecuteData(work, response);
            }
            finally
            {
                slot.Leave();
            }
        }
        finally
        {
            turn.Leave();
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<UrbResponse> ExecuteData(UrbWork work, UrbResponse response)
    {
        UrbRequest request = work.Request;
        if (await memory.TryOpen(work.Data, isWritten: work.In) is not { } buffer)
            return response with { Status = UrbStatus.Invalid };
        try
        {
            UrbStatus prepared = request.Length == 0 ? UrbStatus.Ok : await buffer.Prepare(request.Length, work.In, copiedBytesMax);
            if (prepared != UrbStatus.Ok)
                return response with { Status = prepared };
            journal?.Note(request.Id, UrbStage.Submitted);
            HostUsbResult result = await Submit(work, buffer.Host);
            journal?.Note(request.Id, UrbStage.Completed);
            int bytes = Math.Min(result.Bytes, request.Length);
            if (work.In && !await buffer.Deliver(0, bytes))
                return response with { Status = UrbStatus.Invalid };
            bool isShort = request.ShortNotOk && work.In && bytes < request.Length && result.Status == HostUsbStatus.Completed;
            return response with { Status = isShort ? UrbStatus.Short : StatusOf(result.Status), ActualLength = bytes };
        }
        finally
        {
            await buffer.Release();
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<HostUsbResult> Submit(UrbWork work, HostUsbBuffer? data)
    {
        UrbRequest request = work.Request;
        if (work.IsUnlinked || work.Port.IsGone)
            return new(work.Port.IsGone ? HostUsbStatus.Gone : HostUsbStatus.Canceled, 0);
        work.IsRunning = true;
        try
        {
            if (request.Pipe.Type != UrbType.Control)
                return await work.Port.Device.Transfer(work.Endpoint, data!);
            SetupPacket setup = new(new(request.Setup));
            bool isAddress = setup is { Type: RequestType.Standard, Recipient: RequestRecipient.Device, Request: (byte)StandardRequest.SetAddress };
            return isAddress
                ? new(await work.Port.SetAddress(setup, request.Pipe.Device), 0)
                : await work.Port.Device.Request(setup, data);
        }
        finally
        {
            work.IsRunning = false;
        }
    }

    // Several at a time: the next one must be there before this one ends.
    private async ValueTask<UrbResponse> ExecuteIsochronous(UrbWork work, UrbResponse response)
    {
        UrbRequest request = work.Request;
        UrbBuffer? data = await memory.TryOpen(work.Data, isWritten: work.In);
        UrbBuffer? described = data is null ? null : await memory.TryOpen(work.Packets, isWritten: true);
        if (data is null || described is null)
        {
            await (data?.Release() ?? default);
            return response with { Status = UrbStatus.Invalid };
        }

        try
        {
            UrbPacket[] packets = new UrbPacket[request.PacketCount];
            byte[] bytes = new byte[packets.Length * UrbPacket.Size];
            (_, int multiple, int bytesMax) = work.Port.Device.RhythmOf(work.Endpoint);
            bool isRead = await described.TryRead(bytes);
            bytes.CopyTo(MemoryMarshal.AsBytes(packets.AsSpan()));
            if (!isRead || !UrbRules.AreInOrder(packets, request.Length, bytesMax, multiple))
                return response with { Status = UrbStatus.Invalid };
            UrbStatus prepared = await data.Prepare(request.Length, work.In, copiedBytesMax);
            if (prepared != UrbStatus.Ok)
                return response with { Status = prepared };
            if (work.IsUnlinked || work.Port.IsGone)
                return response with { Status = work.Port.IsGone ? UrbStatus.NoDevice : UrbStatus.Unlinked };
            HostUsbPacket[] moved = [.. packets.Select(packet => new HostUsbPacket((int)packet.Offset, (int)packet.Length))];
            journal?.Note(request.Id, UrbStage.Submitted);
            HostUsbResult result = looksAhead
                ? await work.Port.LookAhead(work.Endpoint, stack).Transfer(data.Host!, moved)
                : await work.Port.Device.TransferPackets(work.Endpoint, data.Host!, moved);
            journal?.Note(request.Id, UrbStage.Completed);
            return await Tell(work, response with { Status = StatusOf(result.Status) }, data, described, (packets, moved));
        }
        finally
        {
            await described.Release();
            await data.Release();
        }
    }

    private static async ValueTask<UrbResponse> Tell(UrbWork work, UrbResponse response, UrbBuffer data, UrbBuffer described, (UrbPacket[] Asked, HostUsbPacket[] Moved) packets)
    {
        int bytes = 0;
        int errors = 0;
        bool isGranted = true;
        for (int index = 0; index < packets.Moved.Length; index++)
        {
            HostUsbPacket packet = packets.Moved[index];
            int moved = Math.Clamp(packet.Moved, 0, packet.Length);
            if (work.In)
                isGranted &= await data.Deliver(packet.Offset, moved);
            bytes += moved;
            errors += packet.Status == HostUsbStatus.Completed ? 0 : 1;
            packets.Asked[index] = packets.Asked[index] with
            {
                ActualLength = (uint)moved,
                Status = packet.Status == HostUsbStatus.None ? UrbStatus.Short : StatusOf(packet.Status),
            };
        }

        isGranted &= await described.TryWrite(MemoryMarshal.AsBytes(packets.Asked.AsSpan()).ToArray());
        return isGranted ? response with { ActualLength = bytes, ErrorCount = errors } : response with { Status = UrbStatus.Invalid };
    }

    private static UrbStatus StatusOf(HostUsbStatus status) => status switch
    {
        HostUsbStatus.Completed => UrbStatus.Ok,
        HostUsbStatus.Stalled => UrbStatus.Stall,
        HostUsbStatus.Babble => UrbStatus.Babble,
        HostUsbStatus.Canceled => UrbStatus.Unlinked,
        HostUsbStatus.NoEndpoint => UrbStatus.Invalid,
        HostUsbStatus.Gone => UrbStatus.NoDevice,
        _ => UrbStatus.IoError,
    };
}
