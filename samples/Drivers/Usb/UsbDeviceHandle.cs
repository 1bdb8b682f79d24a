using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A device at a port of a controller or hub: it has an address, its descriptors are read, a configuration is set.</summary>
public sealed class UsbDeviceHandle
{
    /// <summary>How long a request may take: what a device has by the USB specification, in nanoseconds.</summary>
    private const ulong RequestTimeoutNs = 5_000_000_000;

    /// <summary>How often a device that does not answer is reset before it is given up.</summary>
    private const int Attempts = 3;

    private const int BufferBytes = 4096;

    private readonly IUsbHub _hub;
    private readonly int _port;
    private readonly MemoryBuffer _buffer;
    private readonly Gate _turn = new();

    // Endpoints whose data toggles may be anywhere: a pipe to them was open.
    private readonly HashSet<byte> _used = [];
    private IUsbConnection? _connection;

    private UsbDeviceHandle(IUsbHub hub, int port)
    {
        (_hub, _port) = (hub, port);
        _buffer = hub.Controller.Memory.Allocate(BufferBytes);
    }

    /// <summary>The controller that it is connected to.</summary>
    public IUsbHostController Controller => _hub.Controller;

    /// <summary>The device as the controller knows it.</summary>
    public IUsbConnection Connection => _connection ?? throw new InvalidOperationException("The device was let go of.");

    /// <summary>What it is.</summary>
    public DeviceDescriptor Descriptor { get; private set; }

    /// <summary>Its first configuration, which is set.</summary>
    public UsbConfiguration Configuration { get; private set; } = new(default, []);

    /// <summary>Resets the device at a port, gives it an address, reads what it is and sets its first configuration.</summary>
    /// <param name="hub">A controller that runs, or a hub below one.</param>
    /// <param name="port">The port, from 1.</param>
    /// <param name="former">The way to the device until now, which is let go of; null where there was none.</param>
    /// <exception cref="DriverException">Nothing is there, or what is there makes no sense.</exception>
    public static async ValueTask<UsbDeviceHandle> Enumerate(IUsbHub hub, int port, IUsbConnection? former = null)
    {
        UsbDeviceHandle device = new(hub, port) { _connection = former };
        try
        {
            await device.Enumerate();
            return device;
        }
        catch (DriverException)
        {
            await device.Release();
            throw;
        }
    }

    /// <summary>Resets the port and does it all again, for a device that lost its way. Its pipes must be closed before, and opened anew.</summary>
    /// <exception cref="DriverException">The device is gone, or has become another one.</exception>
    public async ValueTask Reenumerate()
    {
        DeviceDescriptor before = Descriptor;
        await Enumerate();
        if (Descriptor != before)
            throw new DriverException(DriverFailure.BadDescriptor, "After its reset the device says that it is another one.");
    }

    /// <summary>Lets go of the device. Its pipes must be closed before.</summary>
    public async ValueTask Release()
    {
        if (Leave() is { } connection)
            await connection.Release();
    }

    /// <summary>Lets go of the device, and leaves the way to it to somebody else, who releases it. Its pipes must be closed before.</summary>
    /// <returns>The way; null where there is none.</returns>
    public IUsbConnection? Leave()
    {
        Controller.Memory.Free(_buffer).Require("free the buffer of a device");
        IUsbConnection? connection = _connection;
        _connection = null;
        return connection;
    }

    /// <summary>The first interface of a class, or null.</summary>
    /// <param name="class">The class.</param>
    /// <param name="subclass">The subclass.</param>
    /// <param name="protocol">The protocol.</param>
    public UsbInterface? Find(DeviceClass @class, byte subclass, byte protocol) =>
        Configuration.Interfaces.FirstOrDefault(candidate =>
            candidate.Descriptor.Class == @class && candidate.Descriptor.Subclass == subclass
            && candidate.Descriptor.Protocol == protocol && candidate.Descriptor.AlternateSetting == 0);

    /// <summary>Opens a bulk or interrupt endpoint. Where a pipe to it was open before, the device is told to begin anew with DATA0, as the new pipe does.</summary>
    /// <exception cref="DriverException">Its descriptor makes no sense, there is no bandwidth for it, or the device does not begin anew.</exception>
    public async ValueTask<IUsbPipe> Open(UsbEndpoint endpoint)
    {
        if (!_used.Add(endpoint.Address))
            Check(await ClearHalt(endpoint.Address), "CLEAR_FEATURE(ENDPOINT_HALT)");
        return await Connection.Open(endpoint);
    }

    /// <summary>Makes a request that has no data.</summary>
    public ValueTask<TransferResult> Request(RequestType type, RequestRecipient recipient, byte request, ushort value, ushort index) =>
        Connection.Control.Request(new() { Type = type, Recipient = recipient, Request = request, Value = value, Index = index }, default, RequestTimeoutNs);

    /// <summary>Makes a request that the device answers with data.</summary>
    /// <param name="type">Who defined the request.</param>
    /// <param name="recipient">Whom it is for.</param>
    /// <param name="request">Its number.</param>
    /// <param name="value">A parameter.</param>
    /// <param name="index">A parameter, for an interface or endpoint its number.</param>
    /// <param name="answer">Where the data goes, at most 4096 bytes; the result says how many came.</param>
    public async ValueTask<TransferResult> Request(
        RequestType type, RequestRecipient recipient, byte request, ushort value, ushort index, Memory<byte> answer)
    {
        await _turn.Enter();
        try
        {
            TransferResult result = await Transfer(new()
            {
                In = true,
                Type = type,
                Recipient = recipient,
                Request = request,
                Value = value,
                Index = index,
                Length = (ushort)answer.Length,
            });
            _buffer.Read(0, answer.Span[..result.Bytes]);
            return result;
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <summary>Makes a request that brings data to the device.</summary>
    /// <param name="type">Who defined the request.</param>
    /// <param name="recipient">Whom it is for.</param>
    /// <param name="request">Its number.</param>
    /// <param name="value">A parameter.</param>
    /// <param name="index">A parameter, for an interface or endpoint its number.</param>
    /// <param name="data">The data, at most 4096 bytes.</param>
    public async ValueTask<TransferResult> Send(
        RequestType type, RequestRecipient recipient, byte request, ushort value, ushort index, ReadOnlyMemory<byte> data)
    {
        await _turn.Enter();
        try
        {
            _buffer.Write(0, data.Span);
            return await Transfer(new()
            {
                Type = type,
                Recipient = recipient,
                Request = request,
                Value = value,
                Index = index,
                Length = (ushort)data.Length,
            });
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <summary>Ends the halt of an endpoint on both sides; the data toggles start anew.</summary>
    /// <param name="pipe">The host's side.</param>
    /// <param name="endpoint">The device's side, bEndpointAddress.</param>
    public async ValueTask<TransferResult> ClearHalt(IUsbPipe pipe, byte endpoint)
    {
        TransferResult result = await ClearHalt(endpoint);
        if (result.IsCompleted)
            await pipe.Restart();
        return result;
    }

    /// <summary>Chooses a setting of an interface. Pipes of the setting before must be closed.</summary>
    /// <exception cref="DriverException">The device does not take it.</exception>
    public async ValueTask SetInterface(byte number, byte alternateSetting)
    {
        Check(
            await Request(RequestType.Standard, RequestRecipient.Interface, (byte)StandardRequest.SetInterface, alternateSetting, number),
            "SET_INTERFACE");

        // The toggles of all its endpoints are those of DATA0 (USB 2.0, 9.1.1.5).
        foreach (UsbInterface face in Configuration.Interfaces)
        {
            if (face.Descriptor.Number == number)
                _used.ExceptWith(face.Endpoints.Select(static endpoint => endpoint.Address));
        }
    }

    private ValueTask<TransferResult> ClearHalt(byte endpoint) => Request(
        RequestType.Standard, RequestRecipient.Endpoint, (byte)StandardRequest.ClearFeature, (ushort)FeatureSelector.EndpointHalt, endpoint);

    private async ValueTask Enumerate()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await Connect();
                break;
            }
            catch (DriverException failure) when (attempt < Attempts && !Controller.HasStopped
                && failure.Failure is DriverFailure.NoAnswer or DriverFailure.RequestRefused)
            {
                // A device that was not ready for the first reset often is for the second.
            }
        }

        Descriptor = Packed.Read<DeviceDescriptor>(await ReadDescriptor(DescriptorType.Device, DeviceDescriptor.Size));
        await ReadConfiguration();
        Check(
            await Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.SetConfiguration, Configuration.Descriptor.Value, 0),
            "SET_CONFIGURATION");
        _used.Clear();
    }

    /// <summary>From the reset to an address of its own; only one device of a bus may be at address 0.</summary>
    private async ValueTask Connect()
    {
        await Controller.AddressZero.Enter();
        try
        {
            UsbLocation location = await _hub.ResetPort(_port);

            // Only now the device does not listen to its address any more, so that another one may have it.
            if (_connection is { } former)
            {
                _connection = null;
                await former.Release();
            }

            _connection = await Controller.Connect(location);

            // The first eight bytes say how large the packets of endpoint 0 are, and fit into one of any size.
            DeviceDescriptor start = Packed.Read<DeviceDescriptor>(await ReadDescriptor(DescriptorType.Device, 8));
            await _connection.SetControlPacketSize(ControlPacketSize(start, location.Speed));
            await _connection.GiveAddress();
        }
        finally
        {
            Controller.AddressZero.Leave();
        }
    }

    private static int ControlPacketSize(DeviceDescriptor start, DeviceSpeed speed) => (speed, start.MaxPacketSize0) switch
    {
        (DeviceSpeed.Low, 8) => 8,
        (DeviceSpeed.Full, 8 or 16 or 32 or 64) => start.MaxPacketSize0,
        (DeviceSpeed.High, 64) => 64,

        // SuperSpeed says it as a power of two.
        (DeviceSpeed.Super, 9) => 512,
        _ => throw new DriverException(DriverFailure.BadDescriptor, $"Endpoint 0 of a {speed} speed device cannot have packets of size {start.MaxPacketSize0}."),
    };

    private async ValueTask ReadConfiguration()
    {
        byte[] head = await ReadDescriptor(DescriptorType.Configuration, ConfigurationDescriptor.Size);
        int length = Packed.Read<ConfigurationDescriptor>(head).TotalLength;
        if (length is < ConfigurationDescriptor.Size or > BufferBytes)
            throw new DriverException(DriverFailure.BadDescriptor, $"A configuration of {length} bytes.");
        byte[] all = await ReadDescriptor(DescriptorType.Configuration, length);
        Configuration = UsbConfiguration.TryParse(all, out UsbConfiguration? configuration)
            ? configuration
            : throw new DriverException(DriverFailure.BadDescriptor, "The configuration contradicts itself.");
    }

    /// <summary>Reads a descriptor whole; a shorter one, or one of another type, is refused.</summary>
    private async ValueTask<byte[]> ReadDescriptor(DescriptorType type, int length)
    {
        byte[] bytes = new byte[length];
        TransferResult result = await Request(
            RequestType.Standard,
            RequestRecipient.Device,
            (byte)StandardRequest.GetDescriptor,
            (ushort)((int)type << 8),
            0,
            bytes);
        Check(result, $"GET_DESCRIPTOR({type})");
        return result.Bytes == length && bytes[1] == (byte)type
            ? bytes
            : throw new DriverException(DriverFailure.BadDescriptor, $"The {type} descriptor is cut short or of another type.");
    }

    private async ValueTask<TransferResult> Transfer(SetupPacket setup)
    {
        DmaMapResult mapped = await Controller.Memory.Map(_buffer, setup.In ? DmaDirection.FromDevice : DmaDirection.ToDevice);
        if (!mapped.IsMapped)
            return new(TransferStatus.NotMapped, 0);
        TransferResult result = await Connection.Control.Request(setup, mapped.Mapping, RequestTimeoutNs);

        // The device must not reach the buffer while the answer is looked at.
        (await Controller.Memory.Unmap(mapped.Mapping)).Require("unmap the buffer of a request");
        return result;
    }

    private static void Check(TransferResult result, string request)
    {
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"{request} ended as {result.Status}.");
    }
}
