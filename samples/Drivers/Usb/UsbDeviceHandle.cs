using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A high-speed device at a root port: it has an address, its descriptors are read, a configuration is set.</summary>
public sealed class UsbDeviceHandle
{
    /// <summary>How long a request may take: what a device has by the USB specification, in nanoseconds.</summary>
    private const ulong RequestTimeoutNs = 5_000_000_000;

    /// <summary>How long a device may need to listen to its new address, in nanoseconds; at least 2 ms.</summary>
    private const ulong AddressRecoveryNs = 10_000_000;

    /// <summary>How often a device that does not answer is reset before it is given up.</summary>
    private const int Attempts = 3;

    /// <summary>Bytes in a full packet of endpoint 0; high speed allows no other.</summary>
    private const int ControlPacketBytes = 64;

    private const int BufferBytes = 4096;

    private readonly EhciDriver _controller;
    private readonly int _port;
    private readonly MemoryBuffer _buffer;
    private EhciPipe _control;

    private UsbDeviceHandle(EhciDriver controller, int port, MemoryBuffer buffer)
    {
        _controller = controller;
        _port = port;
        _buffer = buffer;
        _control = controller.OpenControl(0, ControlPacketBytes);
    }

    /// <summary>The controller that it is connected to.</summary>
    public EhciDriver Controller => _controller;

    /// <summary>Its address on the bus. No hub is driven here, so the number of its root port is free for it.</summary>
    public int Address => _port;

    /// <summary>What it is.</summary>
    public DeviceDescriptor Descriptor { get; private set; }

    /// <summary>Its first configuration, which is set.</summary>
    public UsbConfiguration Configuration { get; private set; } = new(default, []);

    /// <summary>Resets the device at a root port, gives it an address, reads what it is and sets its first configuration.</summary>
    /// <param name="controller">A controller that runs.</param>
    /// <param name="port">The root port, from 1.</param>
    /// <exception cref="DriverException">Nothing is there, or what is there makes no sense.</exception>
    public static async ValueTask<UsbDeviceHandle> Enumerate(EhciDriver controller, int port)
    {
        UsbDeviceHandle device = new(controller, port, controller.Memory.Allocate(BufferBytes));
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

    /// <summary>Resets the port and does it all again, for a device that lost its way. Other pipes must be opened anew.</summary>
    /// <exception cref="DriverException">The device is gone, or has become another one.</exception>
    public async ValueTask Reenumerate()
    {
        DeviceDescriptor before = Descriptor;
        await _controller.Close(_control);
        _control = _controller.OpenControl(0, ControlPacketBytes);
        await Enumerate();
        if (Descriptor != before)
            throw new DriverException(DriverFailure.BadDescriptor, "After its reset the device says that it is another one.");
    }

    /// <summary>Lets go of the device.</summary>
    public async ValueTask Release()
    {
        await _controller.Close(_control);
        _controller.Memory.Free(_buffer).Require("free the buffer of a device");
    }

    /// <summary>Makes a request that has no data.</summary>
    public ValueTask<TransferResult> Request(RequestType type, RequestRecipient recipient, byte request, ushort value, ushort index) =>
        Transfer(new() { Type = type, Recipient = recipient, Request = request, Value = value, Index = index });

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

    /// <summary>Ends the halt of a bulk endpoint on both sides; the data toggles start anew.</summary>
    /// <param name="pipe">The host's side.</param>
    /// <param name="endpoint">The device's side, bEndpointAddress.</param>
    public async ValueTask<TransferResult> ClearHalt(EhciPipe pipe, byte endpoint)
    {
        TransferResult result = await Request(
            RequestType.Standard,
            RequestRecipient.Endpoint,
            (byte)StandardRequest.ClearFeature,
            (ushort)FeatureSelector.EndpointHalt,
            endpoint);
        if (result.IsCompleted)
            await _controller.Restart(pipe);
        return result;
    }

    private async ValueTask Enumerate()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await GiveAddress();
                break;
            }
            catch (DriverException failure) when (attempt < Attempts && !_controller.HasStopped
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
    }

    /// <summary>From the reset to an address of its own; only one device of a bus may be at address 0.</summary>
    private async ValueTask GiveAddress()
    {
        await _controller.ResetPort(_port);
        await MoveControlPipe(0);

        // The first eight bytes say how large the packets of endpoint 0 are, and fit into one of any size.
        DeviceDescriptor start = Packed.Read<DeviceDescriptor>(await ReadDescriptor(DescriptorType.Device, 8));
        if (start.MaxPacketSize0 != ControlPacketBytes)
            throw new DriverException(DriverFailure.BadDescriptor, $"Endpoint 0 of a high-speed device cannot have packets of {start.MaxPacketSize0} bytes.");

        Check(
            await Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.SetAddress, (ushort)Address, 0),
            "SET_ADDRESS");
        await _controller.Delay(AddressRecoveryNs);
        await MoveControlPipe(Address);
    }

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
        if (setup.Length == 0)
            return await _controller.Control(_control, setup, default, RequestTimeoutNs);
        DmaMapResult mapped = await _controller.Memory.Map(_buffer, DmaDirection.FromDevice);
        if (!mapped.IsMapped)
            return new(TransferStatus.NotMapped, 0);
        TransferResult result = await _controller.Control(_control, setup, mapped.Mapping, RequestTimeoutNs);

        // The device must not reach the buffer while the answer is looked at.
        (await _controller.Memory.Unmap(mapped.Mapping)).Require("unmap the buffer of a request");
        return result;
    }

    private async ValueTask MoveControlPipe(int address)
    {
        await _controller.Close(_control);
        _control = _controller.OpenControl(address, ControlPacketBytes);
    }

    private static void Check(TransferResult result, string request)
    {
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"{request} ended as {result.Status}.");
    }
}
