using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to an isochronous endpoint: a descriptor for each interval on the ring, each with an event of its own.</summary>
/// <remarks>
/// Packets say "as soon as possible": the controller serves them in intervals that follow each other as long as the ring
/// is never empty. Only the last one of a transfer interrupts; the events of the others are there by then.
/// </remarks>
internal sealed class XhciIsochronousPipe : IUsbIsochronousPipe, IXhciTransferEvents
{
    private const ulong MicroframeNs = 125_000;
    private const int BorderBytes = 0x10000;

    /// <summary>TRBs that a packet takes at most: it may cross one border of 64 KiB.</summary>
    private const int TrbsPerPacket = 2;

    /// <summary>How long after its time a packet may still be reported, in nanoseconds.</summary>
    private const ulong GraceNs = 10_000_000;

    private readonly XhciDriver _driver;
    private readonly XhciConnection _device;
    private readonly XhciEndpoint _endpoint;
    private readonly bool _isIn;
    private readonly int _maxPacketSize;
    private readonly int _burst;
    private readonly Gate _queueing = new();
    private readonly Queue<Row> _queued = new();
    private int _trbsQueued;
    private ulong _endNs;
    private bool _isClosed;

    /// <summary>A pipe with nothing queued.</summary>
    public XhciIsochronousPipe(XhciDriver driver, XhciConnection device, XhciEndpoint endpoint, UsbEndpoint description)
    {
        (_driver, _device, _endpoint, _isIn) = (driver, device, endpoint, description.In);
        DeviceSpeed speed = device.Location.Speed;
        _maxPacketSize = description.Descriptor.MaxPacketSize;
        _burst = 1 + (speed == DeviceSpeed.Super ? description.Companion.MaxBurst : description.Descriptor.AdditionalTransactions);
        PacketBytesMax = XhciEndpointContexts.PayloadOf(description, speed);
        IntervalNs = MicroframeNs << XhciEndpointContexts.IntervalOf(description.Descriptor, speed);
        driver.Events.Listen(device.Number, endpoint.Index, this);
    }

    /// <inheritdoc/>
    public ulong IntervalNs { get; }

    /// <inheritdoc/>
    public int PacketBytesMax { get; }

    /// <inheritdoc/>
    public int PacketMultiple => 1;

    /// <inheritdoc/>
    public int PacketsMax => XhciRing.Capacity / 2 / TrbsPerPacket;

    /// <inheritdoc/>
    public void Take(TransferEvent transfer)
    {
        // Events come in order: what they do not mention was passed over. That the ring ran empty is an event without a TRB.
        foreach (Row queued in _queued)
        {
            if (queued.Take(transfer))
                return;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IsochronousResult> Transfer(DmaMapping data, IsochronousPacket[] packets)
    {
        IsochronousRules.Check(this, data, packets);
        if (!_driver.Structures.CanReach(data))
            return new(TransferStatus.NotMapped, 0);
        Row transfer = new(packets);
        int skipped;
        await _queueing.Enter();
        try
        {
            while (_trbsQueued + packets.Length * TrbsPerPacket > XhciRing.Capacity && !_isClosed && !_driver.HasStopped)
                await _driver.Events.Next(ulong.MaxValue);
            if (_isClosed || _driver.HasStopped)
                return new(_isClosed ? TransferStatus.Canceled : TransferStatus.ControllerStopped, 0);
            skipped = Plan(packets.Length);
            _queued.Enqueue(transfer);
            for (int index = 0; index < packets.Length; index++)
                Push(transfer, data.DeviceAddress, packets[index], index == packets.Length - 1);
            _trbsQueued += packets.Length * TrbsPerPacket;
            _endpoint.RingDoorbell();
        }
        finally
        {
            _queueing.Leave();
        }

        return new(await WaitForEnd(transfer), skipped);
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        await _device.Remove(_endpoint);
        while (_queued.Count != 0 && !_driver.HasStopped)
            await _driver.Events.Next(ulong.MaxValue);
        _driver.Events.Forget(_device.Number, _endpoint.Index);
    }

    // When the packets will be through, and how many intervals passed since the last one, as far as the clock tells.
    private int Plan(int packets)
    {
        ulong nowNs = _driver.Events.NowNs;
        bool hasPaused = _queued.Count == 0 && _endNs != 0 && nowNs > _endNs;
        int skipped = hasPaused ? (int)Math.Min((nowNs - _endNs) / IntervalNs + 1, int.MaxValue) : 0;
        _endNs = Math.Max(_endNs, nowNs) + (ulong)packets * IntervalNs;
        return skipped;
    }

    private void Push(Row transfer, Iova buffer, IsochronousPacket packet, bool isLast)
    {
        ulong address = buffer.Value + (ulong)packet.Offset;
        int first = (int)Math.Min((ulong)packet.Length, BorderBytes - address % BorderBytes);
        int transactions = Math.Max(1, (packet.Length + _maxPacketSize - 1) / _maxPacketSize);
        bool isWhole = first == packet.Length;
        IsochronousTrb begin = new()
        {
            Type = TrbType.Isochronous,
            Buffer = address,
            Length = first,
            TdSize = isWhole ? 0 : (packet.Length - first + _maxPacketSize - 1) / _maxPacketSize,
            BurstCount = (transactions - 1) / _burst,
            LastBurstPackets = (transactions - 1) % _burst,
            AsSoonAsPossible = true,
            InterruptOnShort = !isWhole,
            Chain = !isWhole,
            InterruptOnCompletion = isWhole,
            BlockInterrupt = !isLast,
        };
        NormalTrb rest = new()
        {
            Type = TrbType.Normal,
            Buffer = address + (ulong)first,
            Length = packet.Length - first,
            InterruptOnCompletion = true,
            BlockInterrupt = !isLast,
        };
        Span<ulong> places = stackalloc ulong[TrbsPerPacket];
        _endpoint.Ring.Push(isWhole ? [new(begin.Raw)] : [new(begin.Raw), new(rest.Raw)], places);
        transfer.Add(places[0], isWhole ? 0 : places[1], first);
    }

    private async ValueTask<TransferStatus> WaitForEnd(Row transfer)
    {
        ulong endNs = _endNs + GraceNs;
        while (!transfer.IsDone && !_driver.HasStopped && !_isClosed && _driver.Events.NowNs < endNs)
            await _driver.Events.Next(endNs);
        if (!transfer.IsDone)
            await GiveUp(transfer);

        // Transfers end in the order in which they were queued; but each waits for itself.
        int others = _queued.Count;
        for (int index = 0; index < others; index++)
        {
            Row next = _queued.Dequeue();
            if (next != transfer)
                _queued.Enqueue(next);
        }

        _trbsQueued -= transfer.PacketCount * TrbsPerPacket;
        return _driver.HasStopped ? TransferStatus.ControllerStopped : _isClosed ? TransferStatus.Canceled : TransferStatus.Completed;
    }

    // A controller that is late still has the buffer, and that of each transfer behind: they come back only from an endpoint that is
    // stopped. Then the ring is empty, and what comes next is on time again: packets that may be served at any time never expire.
    private async ValueTask GiveUp(Row late)
    {
        await _queueing.Enter();
        try
        {
            if (late.IsDone || _isClosed || _driver.HasStopped)
                return;
            Row[] given = [.. _queued];
            await _endpoint.Clear();
            foreach (Row row in given)
                row.End();
        }
        catch (DriverException)
        {
            // Either the controller stopped, or the device went away with its slot.
        }
        finally
        {
            _queueing.Leave();
        }
    }

    /// <summary>The packets of one transfer and where their TRBs are.</summary>
    private sealed class Row(IsochronousPacket[] packets)
    {
        private readonly List<(ulong First, ulong Second, int FirstBytes)> _places = new(packets.Length);
        private int _reported;

        public int PacketCount => packets.Length;

        public bool IsDone => _reported == packets.Length;

        public void Add(ulong first, ulong rest, int firstBytes) => _places.Add((first, rest, firstBytes));

        /// <summary>Packets without an event get none any more.</summary>
        public void End() => _reported = packets.Length;

        /// <summary>Takes an event where it belongs to a packet of this transfer that has none yet.</summary>
        public bool Take(TransferEvent transfer)
        {
            for (int index = _reported; index < _places.Count; index++)
            {
                (ulong first, ulong rest, int firstBytes) = _places[index];
                bool isRest = rest != 0 && transfer.Pointer == rest;
                if (transfer.Pointer != first && !isRest)
                    continue;
                int before = isRest ? firstBytes : 0;
                int bytes = isRest || rest == 0 ? packets[index].Length - before : firstBytes;
                bool isMissed = transfer.Code is CompletionCode.MissedService or CompletionCode.Stopped or CompletionCode.StoppedLengthInvalid;
                packets[index].Status = isMissed ? TransferStatus.None : XhciTransfer.Outcome(transfer.Code);
                packets[index].Moved = isMissed ? 0 : before + Math.Max(0, bytes - transfer.Residual);
                _reported = index + 1;
                return true;
            }

            return false;
        }
    }
}
