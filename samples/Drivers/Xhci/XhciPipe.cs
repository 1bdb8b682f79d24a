using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to one endpoint: transfers on its ring, one after the other.</summary>
internal sealed class XhciPipe : IUsbPipe, IUsbControlPipe, IXhciTransferEvents
{
    private readonly XhciDriver _driver;
    private readonly XhciConnection _device;
    private readonly XhciEndpoint _endpoint;
    private readonly XhciTransfer _transfer = new();
    private readonly Gate _turn = new();
    private bool _isAtStart = true;
    private bool _isClosed;
    private bool _isCanceled;

    /// <summary>Opens the pipe.</summary>
    /// <param name="driver">The controller.</param>
    /// <param name="device">The device.</param>
    /// <param name="endpoint">An endpoint that the controller was told of.</param>
    /// <param name="maxPacketSize">Bytes in a full packet.</param>
    public XhciPipe(XhciDriver driver, XhciConnection device, XhciEndpoint endpoint, int maxPacketSize)
    {
        (_driver, _device, _endpoint, MaxPacketSize) = (driver, device, endpoint, maxPacketSize);
        driver.Events.Listen(device.Number, endpoint.Index, this);
    }

    /// <summary>Bytes in a full packet.</summary>
    public int MaxPacketSize { get; set; }

    /// <inheritdoc/>
    public void Take(TransferEvent transfer) => _transfer.Take(transfer);

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, UsbLimits.TransferBytesMax);
        await _turn.Enter();
        try
        {
            if (!_driver.Structures.CanReach(data))
                return new(TransferStatus.NotMapped, 0);
            _transfer.Clear();
            _transfer.AddData(data, MaxPacketSize, stage: null);
            return await Execute(timeoutNs);
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Request(SetupPacket setup, DmaMapping data, ulong timeoutNs)
    {
        bool hasData = setup.Length != 0;
        bool isIn = hasData && setup.In;
        await _turn.Enter();
        try
        {
            if (hasData && !_driver.Structures.CanReach(data))
                return new(TransferStatus.NotMapped, 0);
            _transfer.Clear();
            _transfer.Add(new SetupTrb
            {
                Type = TrbType.Setup,
                Packet = setup,
                Length = SetupPacket.Size,
                Immediate = true,
                TransferType = !hasData ? SetupTransferType.NoData : isIn ? SetupTransferType.In : SetupTransferType.Out,
            }.Raw);
            if (hasData)
                _transfer.AddData(data with { Length = setup.Length }, MaxPacketSize, isIn);
            _transfer.Add(new StatusTrb { Type = TrbType.Status, In = !isIn, InterruptOnCompletion = true }.Raw);
            return await Execute(timeoutNs);
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public void Cancel() => _isCanceled = true;

    /// <inheritdoc/>
    public async ValueTask Restart()
    {
        await _turn.Enter();
        try
        {
            // Resetting an endpoint that halted put its toggle to the start. Any other has to be taken away and added anew.
            if (!_isClosed && !_isAtStart && !_driver.HasStopped)
                await _device.Readd(_endpoint);
            _isAtStart = true;
        }
        catch (DriverException) when (_driver.HasStopped)
        {
            // The next transfer says so.
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;

        // What runs sees it at the next interrupt, or when the watchdog looks.
        await _turn.Enter();
        try
        {
            _driver.Events.Forget(_device.Number, _endpoint.Index);
            await _device.Remove(_endpoint);
        }
        finally
        {
            _turn.Leave();
        }
    }

    private async ValueTask<TransferResult> Execute(ulong timeoutNs)
    {
        if (_isClosed)
            return new(TransferStatus.Canceled, 0);
        if (_driver.HasStopped)
            return new(TransferStatus.ControllerStopped, 0);
        (_isAtStart, _isCanceled) = (false, false);
        _transfer.Submit(_endpoint.Ring);
        _endpoint.RingDoorbell();
        TransferStatus status = await WaitForEnd(_driver.Events.After(timeoutNs));
        if (status != TransferStatus.Completed)
            await CleanUp();
        return new(_driver.HasStopped && status != TransferStatus.Completed ? TransferStatus.ControllerStopped : status, _transfer.BytesMoved);
    }

    private async ValueTask<TransferStatus> WaitForEnd(ulong endNs)
    {
        while (true)
        {
            if (_transfer.Status != TransferStatus.None)
                return _transfer.Status;
            if (_driver.HasStopped)
                return TransferStatus.ControllerStopped;
            if (_isClosed || _isCanceled)
                return TransferStatus.Canceled;
            if (_driver.Events.NowNs >= endNs)
                return TransferStatus.TimedOut;
            await _driver.Events.Next(endNs);
        }
    }

    private async ValueTask CleanUp()
    {
        try
        {
            if (_driver.HasStopped)
                return;
            _isAtStart = _device.StateOf(_endpoint.Index) == EndpointState.Halted;
            await _endpoint.Clear();
        }
        catch (DriverException)
        {
            // Either the controller stopped, or the device went away with its slot: the next transfer fails as well, and says so.
        }
    }
}
