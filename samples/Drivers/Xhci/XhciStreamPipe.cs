using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to an endpoint with streams: a ring for each, found through a linear array of stream contexts (xHCI, streams).</summary>
internal sealed class XhciStreamPipe : IUsbStreamPipe, IXhciTransferEvents
{
    private readonly XhciDriver _driver;
    private readonly XhciConnection _device;
    private readonly XhciStreams _streams;
    private readonly XhciEndpoint _endpoint;
    private readonly XhciTransfer[] _transfers;
    private readonly Gate[] _turns;
    private readonly bool[] _isCanceled;
    private readonly Gate _recovery = new();
    private readonly int _maxPacketSize;
    private bool _isClosed;

    /// <summary>Opens the pipe.</summary>
    /// <param name="driver">The controller.</param>
    /// <param name="device">The device.</param>
    /// <param name="endpoint">An endpoint that the controller was told of; its ring is that of stream 1.</param>
    /// <param name="streams">The rings.</param>
    /// <param name="maxPacketSize">Bytes in a full packet.</param>
    public XhciStreamPipe(XhciDriver driver, XhciConnection device, XhciEndpoint endpoint, XhciStreams streams, int maxPacketSize)
    {
        (_driver, _device, _endpoint, _streams, _maxPacketSize) = (driver, device, endpoint, streams, maxPacketSize);
        _transfers = [.. Enumerable.Range(0, streams.Count).Select(static _ => new XhciTransfer())];
        _turns = [.. Enumerable.Range(0, streams.Count).Select(static _ => new Gate())];
        _isCanceled = new bool[streams.Count];
        driver.Events.Listen(device.Number, endpoint.Index, this);
    }

    /// <inheritdoc/>
    public int Streams => _streams.Count;

    /// <inheritdoc/>
    public void Take(TransferEvent transfer)
    {
        // An event names its TRB, and that belongs to one of them.
        foreach (XhciTransfer running in _transfers)
            running.Take(transfer);
    }

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Transfer(int stream, DmaMapping data, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)(stream - 1), (uint)(Streams - 1), nameof(stream));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, UsbLimits.TransferBytesMax);
        await _turns[stream - 1].Enter();
        try
        {
            if (!_driver.Structures.CanReach(data))
                return new(TransferStatus.NotMapped, 0);
            XhciTransfer transfer = _transfers[stream - 1];
            transfer.Clear();
            _isCanceled[stream - 1] = false;
            transfer.AddData(data, _maxPacketSize, stage: null);
            transfer.Submit(_streams[stream]);
            Ring(stream);
            TransferStatus status = await WaitForEnd(stream, transfer, _driver.Events.After(timeoutNs));
            if (status != TransferStatus.Completed && !_driver.HasStopped)
                await Recover(stream);
            return new(status, transfer.BytesMoved);
        }
        finally
        {
            _transfers[stream - 1].Clear();
            _turns[stream - 1].Leave();
        }
    }

    /// <inheritdoc/>
    public void Cancel(int stream) => _isCanceled[stream - 1] = true;

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        foreach (Gate turn in _turns)
            await turn.Enter();
        _driver.Events.Forget(_device.Number, _endpoint.Index);
        await _device.Remove(_endpoint);
        await _streams.Free(_driver.Structures);
        foreach (Gate turn in _turns)
            turn.Leave();
    }

    private void Ring(int stream) =>
        _driver.Registers.Ring(_device.Number, new() { Target = (byte)_endpoint.Index, Stream = (ushort)stream });

    private async ValueTask<TransferStatus> WaitForEnd(int stream, XhciTransfer transfer, ulong endNs)
    {
        while (transfer.Status == TransferStatus.None)
        {
            if (_driver.HasStopped)
                return TransferStatus.ControllerStopped;
            if (_isClosed || _isCanceled[stream - 1])
                return TransferStatus.Canceled;
            if (_driver.Events.NowNs >= endNs)
                return TransferStatus.TimedOut;
            await _driver.Events.Next(endNs);
        }

        return transfer.Status;
    }

    // The endpoint stops for all its streams: one ring begins behind what failed, and the others go on where they were.
    private async ValueTask Recover(int stream)
    {
        await _recovery.Enter();
        try
        {
            TrbType stop = _device.StateOf(_endpoint.Index) == EndpointState.Halted ? TrbType.ResetEndpoint : TrbType.StopEndpoint;
            _ = await _driver.Commands.Execute(new EndpointCommand { Type = stop, Endpoint = _endpoint.Index, Slot = (byte)_device.Number }.Raw);
            _ = await _driver.Commands.Execute(new SetDequeueCommand
            {
                Type = TrbType.SetDequeue,
                Dequeue = _streams[stream].Next,
                CycleState = _streams[stream].Cycle,
                StreamType = StreamContextType.PrimaryRing,
                Stream = (ushort)stream,
                Endpoint = _endpoint.Index,
                Slot = (byte)_device.Number,
            }.Raw);
            for (int other = 1; other <= Streams; other++)
            {
                if (_transfers[other - 1] is { TrbCount: not 0, Status: TransferStatus.None } && other != stream)
                    Ring(other);
            }
        }
        catch (DriverException)
        {
            // The controller stopped, or the device went away: the next transfer fails as well, and says so.
        }
        finally
        {
            _recovery.Leave();
        }
    }
}
