using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A hub of USB 2.0: its ports get power, say what changed, and bring devices to address 0.</summary>
/// <remarks>
/// At high speed it has transaction translators for devices that are slower than its bus. Hubs for SuperSpeed are two in
/// one; this driver serves the half for USB 2.0.
/// </remarks>
public sealed class HubDriver : IUsbHub
{
    private const ulong MillisecondNs = 1_000_000;
    private const byte OneTranslator = 1;
    private const byte TranslatorPerPort = 2;
    private const int PortsMax = 15;

    private readonly UsbDeviceHandle _device;
    private readonly ReportPipe _changes;
    private readonly bool _hasTranslatorPerPort;
    private readonly byte[] _bitmap = new byte[1 + PortsMax / 8];

    private HubDriver(UsbDeviceHandle device, ReportPipe changes, int portCount, bool hasTranslatorPerPort) =>
        (_device, _changes, PortCount, _hasTranslatorPerPort) = (device, changes, portCount, hasTranslatorPerPort);

    /// <inheritdoc/>
    public IUsbHostController Controller => _device.Controller;

    /// <inheritdoc/>
    public int PortCount { get; }

    /// <summary>Reads what the hub is, tells the controller, and gives all ports power.</summary>
    /// <exception cref="DriverException">It is no hub that this driver knows, or does not answer.</exception>
    public static async ValueTask<HubDriver> Start(UsbDeviceHandle device)
    {
        UsbInterface? face = device.Configuration.Interfaces.FirstOrDefault(candidate =>
            candidate.Descriptor is { Class: DeviceClass.Hub, AlternateSetting: 0 });
        if (face is null || device.Descriptor.Class != DeviceClass.Hub || device.Connection.Location.Speed == DeviceSpeed.Super)
            throw new DriverException(DriverFailure.BadDescriptor, "The device is no USB 2.0 hub.");
        if (device.Connection.Location.Tier >= UsbLocation.TiersMax)
            throw new DriverException(DriverFailure.TooManyDevices, $"No hub may be behind {UsbLocation.TiersMax} others.");

        // A setting of its own lets each port have a translator.
        bool isMulti = device.Descriptor.Protocol == TranslatorPerPort;
        UsbInterface? multi = isMulti
            ? device.Configuration.Interfaces.FirstOrDefault(candidate => candidate.Descriptor is { Class: DeviceClass.Hub, Protocol: TranslatorPerPort })
            : null;
        if (multi is not null)
            await device.SetInterface(multi.Descriptor.Number, multi.Descriptor.AlternateSetting);
        if ((multi ?? face).Find(TransferType.Interrupt, isIn: true) is not { } endpoint)
            throw new DriverException(DriverFailure.BadDescriptor, "The hub has no endpoint for changes.");

        HubDescriptor hub = await Describe(device);
        if (hub.PortCount is 0 or > PortsMax)
            throw new DriverException(DriverFailure.BadDescriptor, $"A hub of {hub.PortCount} ports.");
        bool hasTranslator = device.Descriptor.Protocol is OneTranslator or TranslatorPerPort;
        if (device.Connection.Location.Speed == DeviceSpeed.High && !hasTranslator)
            throw new DriverException(DriverFailure.BadDescriptor, "A hub at high speed without a transaction translator.");
        await device.Connection.BecomeHub(hub.PortCount, multi is not null, hub.ThinkTime);
        HubDriver driver = new(device, await ReportPipe.Open(device, endpoint), hub.PortCount, multi is not null);
        try
        {
            await driver.PowerOn(hub);
            return driver;
        }
        catch (DriverException)
        {
            await driver.Stop();
            throw;
        }
    }

    /// <summary>Waits until something changed at ports, and acknowledges it.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds; <see cref="ulong.MaxValue"/> for no end.</param>
    /// <returns>The ports whose connection changed, from 1; none where time ran out or the driver was stopped.</returns>
    /// <exception cref="DriverException">The hub does not answer any more.</exception>
    public async ValueTask<IReadOnlyList<int>> NextChange(ulong timeoutNs = ulong.MaxValue)
    {
        List<int> ports = [];
        if (await _changes.Read(_bitmap, timeoutNs) < 0)
            return ports;

        // Bit 0 is the hub itself: its supply, which nobody here can do anything about.
        for (int port = 1; port <= PortCount; port++)
        {
            if (((_bitmap[port / 8] >> (port % 8)) & 1) == 0)
                continue;
            HubPortStatus status = await Status(port);
            await Acknowledge(port, status);
            if (status.ConnectionChange)
                ports.Add(port);
        }

        return ports;
    }

    /// <summary>Whether something is connected to a port.</summary>
    /// <param name="port">From 1.</param>
    /// <exception cref="DriverException">The hub does not answer any more.</exception>
    public async ValueTask<bool> IsConnected(int port) => (await Status(port)).Connected;

    /// <summary>Enumerates all devices that are connected.</summary>
    /// <exception cref="DriverException">A device makes no sense; those before it are let go of.</exception>
    public async ValueTask<IReadOnlyList<UsbDeviceHandle>> EnumerateAll()
    {
        List<UsbDeviceHandle> devices = [];
        try
        {
            for (int port = 1; port <= PortCount; port++)
            {
                if (await IsConnected(port))
                    devices.Add(await UsbDeviceHandle.Enumerate(this, port));
            }

            return devices;
        }
        catch (DriverException)
        {
            foreach (UsbDeviceHandle device in devices)
                await device.Release();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<UsbLocation> ResetPort(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, PortCount);
        await Debounce(port);
        await Feature(StandardRequest.SetFeature, PortFeature.Reset, port);

        // The hub itself ends the reset, 10 to 20 ms after it began.
        HubPortStatus status = await Status(port);
        for (int waitedMs = 0; !status.ResetChange; waitedMs += 10)
        {
            if (waitedMs == 500)
                throw new DriverException(DriverFailure.NoAnswer, $"Port {port} of the hub did not end its reset.");
            await Controller.Processor.Delay(10 * MillisecondNs);
            status = await Status(port);
        }

        await Acknowledge(port, status);
        if (!status.Connected || !status.Enabled)
            throw NothingConnected(port);
        await Controller.Processor.Delay(10 * MillisecondNs);
        return Locate(port, status.LowSpeed ? DeviceSpeed.Low : status.HighSpeed ? DeviceSpeed.High : DeviceSpeed.Full);
    }

    /// <summary>Lets go of the hub; a wait for changes ends. What is behind it must be let go of before. The device stays enumerated.</summary>
    public ValueTask Stop() => _changes.Close();

    private static async ValueTask<HubDescriptor> Describe(UsbDeviceHandle device)
    {
        byte[] bytes = new byte[HubDescriptor.Size];
        TransferResult result = await device.Request(
            RequestType.Class, RequestRecipient.Device, (byte)StandardRequest.GetDescriptor, (int)DescriptorType.Hub << 8, 0, bytes);
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"The hub descriptor ended as {result.Status}.");
        HubDescriptor hub = Packed.Read<HubDescriptor>(bytes);
        return result.Bytes == HubDescriptor.Size && hub.Type == DescriptorType.Hub
            ? hub
            : throw new DriverException(DriverFailure.BadDescriptor, "The hub descriptor is cut short or of another type.");
    }

    // A device that is slower than the bus is behind a translator: of this hub where its bus is fast, else of one above.
    private UsbLocation Locate(int port, DeviceSpeed speed)
    {
        UsbLocation here = _device.Connection.Location;
        UsbTranslator? translator = speed == DeviceSpeed.High ? null
            : here.Speed == DeviceSpeed.High ? new(_device.Connection, port, _hasTranslatorPerPort)
            : here.Translator;
        return here.Behind(port, speed, translator);
    }

    private async ValueTask PowerOn(HubDescriptor hub)
    {
        for (int port = 1; port <= PortCount; port++)
            await Feature(StandardRequest.SetFeature, PortFeature.Power, port);
        await Controller.Processor.Delay(Math.Max(2ul * hub.PowerOnToPowerGood, 20) * MillisecondNs);
    }

    /// <summary>Waits until a connection has lasted 100 ms; bounces start the wait anew, for at most a second.</summary>
    private async ValueTask Debounce(int port)
    {
        const int StepMs = 25;
        int steady = 0;
        for (int waited = 0; waited < 1000 && steady < 100; waited += StepMs)
        {
            HubPortStatus status = await Status(port);
            if (status.ConnectionChange)
                await Feature(StandardRequest.ClearFeature, PortFeature.ConnectionChange, port);
            steady = status.Connected && (!status.ConnectionChange || waited == 0) ? steady + StepMs : 0;
            if (!status.Connected && waited >= 200)
                break;
            await Controller.Processor.Delay(StepMs * MillisecondNs);
        }

        if (steady < 100)
            throw NothingConnected(port);
    }

    private async ValueTask<HubPortStatus> Status(int port)
    {
        byte[] bytes = new byte[HubPortStatus.Size];
        TransferResult result = await _device.Request(
            RequestType.Class, RequestRecipient.Other, (byte)StandardRequest.GetStatus, 0, (ushort)port, bytes);
        return result is { IsCompleted: true, Bytes: HubPortStatus.Size }
            ? Packed.Read<HubPortStatus>(bytes)
            : throw new DriverException(result.IsCompleted ? DriverFailure.BadDescriptor : result.Failure, $"The status of port {port} of the hub ended as {result.Status}.");
    }

    private async ValueTask Acknowledge(int port, HubPortStatus status)
    {
        (bool HasChanged, PortFeature Feature)[] changes =
        [
            (status.ConnectionChange, PortFeature.ConnectionChange),
            (status.EnableChange, PortFeature.EnableChange),
            (status.SuspendChange, PortFeature.SuspendChange),
            (status.OverCurrentChange, PortFeature.OverCurrentChange),
            (status.ResetChange, PortFeature.ResetChange),
        ];
        foreach ((bool hasChanged, PortFeature feature) in changes)
        {
            if (hasChanged)
                await Feature(StandardRequest.ClearFeature, feature, port);
        }
    }

    private async ValueTask Feature(StandardRequest request, PortFeature feature, int port)
    {
        TransferResult result = await _device.Request(RequestType.Class, RequestRecipient.Other, (byte)request, (ushort)feature, (ushort)port);
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"{request}({feature}) of port {port} of the hub ended as {result.Status}.");
    }

    private static DriverException NothingConnected(int port) =>
        new(DriverFailure.NothingConnected, $"Nothing is connected to port {port} of the hub.");
}
