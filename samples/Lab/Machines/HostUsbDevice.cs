using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A device at a root port of a controller of the host, or of a service VM: with a driver of the host, or raw, for whoever mediates for a guest.</summary>
/// <param name="stack">The stack.</param>
/// <param name="port">The port, from 1.</param>
/// <param name="driver">The driver of the host for it; null where it has none.</param>
public sealed class HostUsbDevice(UsbStack stack, int port, IHostClassDriver? driver = null) : IHostUsbDevice
{
    private const ulong RequestTimeoutNs = 5_000_000_000;

    private readonly HostUsbEndpoints _endpoints = new();
    private UsbDeviceHandle? _handle;
    private IUsbConnection? _connection;
    private int _controlPacketBytes;

    /// <inheritdoc/>
    public string Name => $"the device at port {port}";

    /// <inheritdoc/>
    public IUsbStack Controller => stack;

    /// <inheritdoc/>
    public UsbSpeed Speed { get; private set; } = UsbSpeed.High;

    /// <inheritdoc/>
    public async ValueTask<bool> LogOut()
    {
        if (driver is not null && !await driver.Unbind())
            return false;
        if (_handle is { } handle)
        {
            _handle = null;
            _ = await handle.Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.SetConfiguration, 0, 0);

            // Until it is reset, the device listens to its address, which no other one may have.
            _connection = handle.Leave();
        }

        return true;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Reset()
    {
        await _endpoints.Close();
        try
        {
            await stack.Controller.AddressZero.Enter();
            try
            {
                UsbLocation location = await stack.Controller.ResetPort(port);
                await Disconnect();
                Speed = SpeedOf(location.Speed);
                _connection = await stack.Controller.Connect(location);
                byte[] head = new byte[8];
                if (!await Ask(DescriptorType.Device, 0, head))
                    throw new DriverException(DriverFailure.NoAnswer, "The device does not say what it is.");
                int packet = Packed.Read<DeviceDescriptor>(head).MaxPacketSize0;
                _controlPacketBytes = location.Speed == DeviceSpeed.Super ? 1 << packet : packet;
                await _connection.SetControlPacketSize(_controlPacketBytes);
                await _connection.GiveAddress();
            }
            finally
            {
                stack.Controller.AddressZero.Leave();
            }

            return true;
        }
        catch (DriverException)
        {
            await Disconnect();
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> LogIn()
    {
        await _endpoints.Close();
        IUsbConnection? former = _connection;
        _connection = null;
        try
        {
            _handle = await UsbDeviceHandle.Enumerate(stack.Controller, port, former);
            if (driver is not null)
                await driver.Bind(_handle);
            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public TransferType? TypeOf(byte endpoint) => _endpoints.Find(endpoint)?.Endpoint.Descriptor.TransferType;

    /// <inheritdoc/>
    public int PacketBytesOf(byte endpoint) => (endpoint & 0xF) == 0 ? _controlPacketBytes : _endpoints.Find(endpoint)?.Endpoint.Descriptor.MaxPacketSize ?? 0;

    /// <inheritdoc/>
    public (ulong IntervalNs, int PacketMultiple, int PacketBytesMax) RhythmOf(byte endpoint) =>
        _endpoints.Find(endpoint)?.Isochronous is { } pipe ? (pipe.IntervalNs, pipe.PacketMultiple, pipe.PacketBytesMax) : (0, 1, 0);

    /// <inheritdoc/>
    public async ValueTask<HostUsbResult> Request(SetupPacket setup, HostUsbBuffer? data)
    {
        if (_connection is not { } connection)
            return new(HostUsbStatus.Gone, 0);
        if (setup.Type != RequestType.Standard)
            return await Forward(setup, data);
        switch ((StandardRequest)setup.Request, setup.Recipient)
        {
            case (StandardRequest.SetAddress, _):
                return new(HostUsbStatus.Stalled, 0);
            case (StandardRequest.SetConfiguration, RequestRecipient.Device):
                return await SetConfiguration(connection, setup);
            case (StandardRequest.SetInterface, RequestRecipient.Interface):
                return await SetInterface(connection, setup);
            case (StandardRequest.ClearFeature, RequestRecipient.Endpoint) when setup.Value == (ushort)FeatureSelector.EndpointHalt:
                return await ClearHalt(setup);
            default:
                return await Forward(setup, data);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbResult> Transfer(byte endpoint, HostUsbBuffer data)
    {
        if (_endpoints.Find(endpoint)?.Pipe is not { } pipe)
            return new(HostUsbStatus.NoEndpoint, 0);
        TransferResult result = await pipe.Transfer(MappingOf(data, (endpoint & 0x80) != 0), ulong.MaxValue);
        return new(StatusOf(result.Status), result.Bytes);
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbResult> TransferPackets(byte endpoint, HostUsbBuffer data, HostUsbPacket[] packets)
    {
        if (_endpoints.Find(endpoint)?.Isochronous is not { } pipe)
            return new(HostUsbStatus.NoEndpoint, 0);

        // A row may be longer than what the driver of the controller takes at once: its parts are queued one behind the other.
        IsochronousPacket[][] parts = [.. packets.Select(packet => new IsochronousPacket(packet.Offset, packet.Length)).Chunk(pipe.PacketsMax)];
        IsochronousResult[] results = await Task.WhenAll(parts.Select(part => pipe.Transfer(MappingOf(data, (endpoint & 0x80) != 0), part).AsTask()));
        int bytes = 0;
        foreach ((int index, IsochronousPacket moved) in parts.SelectMany(part => part).Index())
        {
            packets[index].Moved = moved.Moved;
            packets[index].Status = moved.Status == TransferStatus.None ? HostUsbStatus.None : StatusOf(moved.Status);
            bytes += moved.Moved;
        }

        return new(StatusOf(results.FirstOrDefault(result => result.Status != TransferStatus.Completed, results[0]).Status), bytes);
    }

    /// <inheritdoc/>
    public void Cancel(byte endpoint) => _endpoints.Find(endpoint)?.Pipe?.Cancel();

    private static DmaMapping MappingOf(HostUsbBuffer data, bool isIn) =>
        new(data.DeviceAddress, data.Length, isIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);

    private async ValueTask<HostUsbResult> Forward(SetupPacket setup, HostUsbBuffer? data)
    {
        if (_connection is not { } connection)
            return new(HostUsbStatus.Gone, 0);
        DmaMapping mapping = data is null ? default : MappingOf(data, setup.In) with { Length = setup.Length };
        TransferResult result = await connection.Control.Request(setup, mapping, RequestTimeoutNs);
        return new(StatusOf(result.Status), result.Bytes);
    }

    // What still runs there would be waited for without end: its toggle starts anew, and with it all there is.
    private async ValueTask<HostUsbResult> ClearHalt(SetupPacket setup)
    {
        IUsbPipe? pipe = _endpoints.Find((byte)setup.Index)?.Pipe;
        pipe?.Cancel();
        HostUsbResult cleared = await Forward(setup, data: null);
        if (cleared.Status == HostUsbStatus.Completed && pipe is not null)
            await pipe.Restart();
        return cleared;
    }

    // The host reads for itself what the device has: a guest may say anything.
    private async ValueTask<HostUsbResult> SetConfiguration(IUsbConnection connection, SetupPacket setup)
    {
        UsbConfiguration? configuration = setup.Value == 0 ? null : await FindConfiguration(setup.Value);
        await _endpoints.Close();
        HostUsbResult result = await Forward(setup, data: null);
        if (result.Status != HostUsbStatus.Completed || configuration is null)
            return result;
        return await _endpoints.Configure(connection, configuration) ? result : new(HostUsbStatus.Stalled, 0);
    }

    // Choosing a setting is where a device claims its share of the bus: there must be one before.
    private async ValueTask<HostUsbResult> SetInterface(IUsbConnection connection, SetupPacket setup)
    {
        if (!await _endpoints.Choose(connection, setup.Index, setup.Value))
            return new(HostUsbStatus.Stalled, 0);
        HostUsbResult result = await Forward(setup, data: null);
        if (result.Status != HostUsbStatus.Completed)
            _ = await _endpoints.Choose(connection, setup.Index, alternate: 0);
        return result;
    }

    private async ValueTask<UsbConfiguration?> FindConfiguration(int value)
    {
        byte[] device = new byte[DeviceDescriptor.Size];
        if (!await Ask(DescriptorType.Device, 0, device))
            return null;
        for (int index = 0; index < Packed.Read<DeviceDescriptor>(device).ConfigurationCount; index++)
        {
            byte[] head = new byte[ConfigurationDescriptor.Size];
            if (!await Ask(DescriptorType.Configuration, index, head))
                return null;
            byte[] all = new byte[Math.Min((int)Packed.Read<ConfigurationDescriptor>(head).TotalLength, 4096)];
            if (await Ask(DescriptorType.Configuration, index, all) && UsbConfiguration.TryParse(all, out UsbConfiguration? configuration)
                && configuration.Descriptor.Value == value)
            {
                return configuration;
            }
        }

        return null;
    }

    private async ValueTask<bool> Ask(DescriptorType type, int index, byte[] answer)
    {
        if (await stack.TryAllocate(Math.Max(answer.Length, 1)) is not { } buffer)
            return false;
        SetupPacket setup = new()
        {
            In = true,
            Request = (byte)StandardRequest.GetDescriptor,
            Value = (ushort)(((int)type << 8) | index),
            Length = (ushort)answer.Length,
        };
        HostUsbResult result = await Forward(setup, buffer);
        buffer.Memory!.Read(0, answer);
        await stack.Release(buffer);
        return result.Status == HostUsbStatus.Completed && result.Bytes == answer.Length;
    }

    private async ValueTask Disconnect()
    {
        await _endpoints.Close();
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.Release();
        }
    }

    private static HostUsbStatus StatusOf(TransferStatus status) => status switch
    {
        TransferStatus.Completed => HostUsbStatus.Completed,
        TransferStatus.Stalled => HostUsbStatus.Stalled,
        TransferStatus.Babble => HostUsbStatus.Babble,
        TransferStatus.Canceled => HostUsbStatus.Canceled,
        TransferStatus.ControllerStopped => HostUsbStatus.Gone,
        _ => HostUsbStatus.NoAnswer,
    };

    private static UsbSpeed SpeedOf(DeviceSpeed speed) => speed switch
    {
        DeviceSpeed.Low => UsbSpeed.Low,
        DeviceSpeed.Full => UsbSpeed.Full,
        DeviceSpeed.High => UsbSpeed.High,
        _ => UsbSpeed.Super,
    };
}
