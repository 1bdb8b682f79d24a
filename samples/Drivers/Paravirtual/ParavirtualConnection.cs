using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A device behind the front end: the address is the guest's own, and the host replaces it by its own.</summary>
/// <param name="driver">The front end.</param>
/// <param name="location">Where the device is.</param>
internal sealed class ParavirtualConnection(ParavirtualUsbDriver driver, UsbLocation location) : IUsbConnection
{
    /// <summary>How long a request may take, in nanoseconds.</summary>
    private const ulong RequestTimeoutNs = 5_000_000_000;

    private readonly Gate _turn = new();

    /// <inheritdoc/>
    public UsbLocation Location => location;

    /// <inheritdoc/>
    public int Number { get; private set; }

    /// <inheritdoc/>
    public IUsbControlPipe Control => new ParavirtualControlPipe(driver.Ring, this, _turn);

    /// <inheritdoc/>
    /// <remarks>Nothing to do: the host found it out by itself.</remarks>
    public ValueTask SetControlPacketSize(int bytes) => default;

    /// <inheritdoc/>
    public async ValueTask GiveAddress()
    {
        // One device in a port: its number will do.
        SetupPacket request = new() { Request = (byte)StandardRequest.SetAddress, Value = (ushort)location.RootPort };
        TransferResult result = await Control.Request(request, default, RequestTimeoutNs);
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"SET_ADDRESS ended as {result.Status}.");
        Number = location.RootPort;
    }

    /// <inheritdoc/>
    public ValueTask BecomeHub(int ports, bool hasTranslatorPerPort, int thinkTime) =>
        throw new DriverException(DriverFailure.NoDriver, "Hubs are not passed on, only what is plugged into them.");

    /// <inheritdoc/>
    public ValueTask<IUsbPipe> Open(UsbEndpoint endpoint)
    {
        endpoint.Require(location.Speed);
        return endpoint.Descriptor.TransferType is TransferType.Bulk or TransferType.Interrupt
            ? new(new ParavirtualPipe(driver.Ring, this, endpoint))
            : throw new DriverException(DriverFailure.BadDescriptor, "Only bulk and interrupt endpoints are opened this way.");
    }

    /// <inheritdoc/>
    public ValueTask<IUsbIsochronousPipe> OpenIsochronous(UsbEndpoint endpoint)
    {
        endpoint.Require(location.Speed);
        return endpoint.Descriptor.TransferType == TransferType.Isochronous
            ? new(new ParavirtualIsochronousPipe(driver, this, endpoint))
            : throw new DriverException(DriverFailure.BadDescriptor, "The endpoint is not isochronous.");
    }

    /// <inheritdoc/>
    public ValueTask Release() => default;

    /// <summary>Where a request for an endpoint goes.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    /// <param name="type">The kind of transfer.</param>
    internal UrbPipe PipeTo(byte endpoint, UrbType type) => new()
    {
        Port = location.RootPort,
        Device = Number,
        Endpoint = endpoint & 0xF,
        In = (endpoint & 0x80) != 0,
        Type = type,
    };
}
