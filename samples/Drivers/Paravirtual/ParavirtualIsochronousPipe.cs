using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>The way to an isochronous endpoint: a request for each row of packets, whose descriptors lie in a page of their own.</summary>
internal sealed class ParavirtualIsochronousPipe : IUsbIsochronousPipe
{
    private const ulong MicroframeNs = 125_000;
    private const int MicroframesPerFrame = 8;

    private readonly ParavirtualUsbDriver _driver;
    private readonly ParavirtualConnection _device;
    private readonly UsbEndpoint _endpoint;
    private readonly Gate _queueing = new();
    private readonly Stack<CoherentBuffer> _free = new();
    private readonly Signal _ended;
    private int _queued;
    private ulong _endNs;
    private bool _isClosed;

    /// <summary>A pipe with nothing queued.</summary>
    public ParavirtualIsochronousPipe(ParavirtualUsbDriver driver, ParavirtualConnection device, UsbEndpoint endpoint)
    {
        (_driver, _device, _endpoint, _ended) = (driver, device, endpoint, new(driver.Processor.Loop));
        int exponent = endpoint.Descriptor.Interval - 1;
        IntervalNs = (device.Location.Speed == DeviceSpeed.High ? MicroframeNs : MicroframesPerFrame * MicroframeNs) << exponent;
        PacketBytesMax = endpoint.Descriptor.MaxPacketSize * (1 + endpoint.Descriptor.AdditionalTransactions);

        // The host may only be able to queue whole frames.
        PacketMultiple = (int)Math.Max(1, MicroframesPerFrame * MicroframeNs / IntervalNs);
        PacketsMax = Math.Max(1, Math.Min((int)ushort.MaxValue, (UrbRequest.SegmentsMax - 2) * SharedRing.PageBytes) / PacketBytesMax / PacketMultiple) * PacketMultiple;
        PacketsMax = Math.Min(PacketsMax, SharedRing.PageBytes / UrbPacket.Size);
    }

    /// <inheritdoc/>
    public ulong IntervalNs { get; }

    /// <inheritdoc/>
    public int PacketBytesMax { get; }

    /// <inheritdoc/>
    public int PacketMultiple { get; }

    /// <inheritdoc/>
    public int PacketsMax { get; }

    /// <inheritdoc/>
    public async ValueTask<IsochronousResult> Transfer(DmaMapping data, IsochronousPacket[] packets)
    {
        IsochronousRules.Check(this, data, packets);
        await _queueing.Enter();
        CoherentBuffer described;
        int skipped;
        try
        {
            if (_isClosed || _driver.HasStopped)
                return new(_isClosed ? TransferStatus.Canceled : TransferStatus.ControllerStopped, 0);
            described = _free.TryPop(out CoherentBuffer? page) ? page : await AllocatePage();
            skipped = Plan(packets.Length);
            _queued++;
        }
        finally
        {
            _queueing.Leave();
        }

        UrbResponse response = await Submit(data, packets, described);
        Read(described, packets);
        _free.Push(described);
        _queued--;
        _ended.Raise();
        TransferStatus status = ParavirtualSegments.StatusOf(response.Status);
        return new(_isClosed && status != TransferStatus.ControllerStopped ? TransferStatus.Canceled : status, skipped);
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        _driver.Ring.WakeAll();
        while (_queued != 0 && !_driver.HasStopped)
            _ = await _driver.Processor.Wait(_ended);
        while (_free.TryPop(out CoherentBuffer? page))
            (await _driver.Memory.FreeCoherent(page)).Require("free the descriptors of packets");
    }

    private async ValueTask<CoherentBuffer> AllocatePage()
    {
        try
        {
            return await _driver.Memory.AllocateCoherent(SharedRing.PageBytes);
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for descriptors of packets: {refusal.Message}");
        }
    }

    // When the packets will be through, and how many intervals passed since the last one, as far as the clock tells.
    private int Plan(int packets)
    {
        ulong nowNs = _driver.Processor.Loop.NowNs;
        bool hasPaused = _queued == 0 && _endNs != 0 && nowNs > _endNs;
        int skipped = hasPaused ? (int)Math.Min((nowNs - _endNs) / IntervalNs + 1, int.MaxValue) : 0;
        _endNs = Math.Max(_endNs, nowNs) + (ulong)packets * IntervalNs;
        return skipped;
    }

    private ValueTask<UrbResponse> Submit(DmaMapping data, IsochronousPacket[] packets, CoherentBuffer described)
    {
        // What lies before the first packet and behind the last one is none of the request's.
        int start = packets[0].Offset;
        int length = Math.Max(packets[^1].Offset + packets[^1].Length - start, 1);
        UrbPacket[] descriptors = [.. packets.Select(packet => new UrbPacket { Offset = (uint)(packet.Offset - start), Length = (uint)packet.Length })];
        described.Memory.Write(0, MemoryMarshal.AsBytes(descriptors.AsSpan()));
        UrbSegment[] pieces = ParavirtualSegments.Of(data, start, length);
        UrbSegment[] rows = ParavirtualSegments.Of(described.Mapping, 0, packets.Length * UrbPacket.Size);
        UrbRequest request = new()
        {
            Pipe = _device.PipeTo(_endpoint.Address, UrbType.Isochronous),
            SegmentCount = (ushort)pieces.Length,
            Length = (ushort)length,
            Interval = (ushort)Math.Min(1 << Math.Min(_endpoint.Descriptor.Interval - 1, 15), ushort.MaxValue),
            PacketCount = (ushort)packets.Length,
            PacketSegmentCount = (ushort)rows.Length,
        };
        return _driver.Ring.Submit(request, [.. pieces, .. rows], ulong.MaxValue, () => _isClosed);
    }

    private static void Read(CoherentBuffer described, IsochronousPacket[] packets)
    {
        UrbPacket[] descriptors = new UrbPacket[packets.Length];
        described.Memory.Read(0, MemoryMarshal.AsBytes(descriptors.AsSpan()));
        for (int index = 0; index < packets.Length; index++)
        {
            packets[index].Moved = (int)Math.Min(descriptors[index].ActualLength, (uint)packets[index].Length);
            packets[index].Status = descriptors[index].Status == UrbStatus.Short ? TransferStatus.None : ParavirtualSegments.StatusOf(descriptors[index].Status);
        }
    }
}
