using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A device behind an EHCI controller: software gives it an address and opens a queue for each endpoint.</summary>
internal sealed class EhciConnection : IUsbConnection
{
    /// <summary>How long a device may need to listen to its new address, in nanoseconds; at least 2 ms.</summary>
    private const ulong AddressRecoveryNs = 10_000_000;

    /// <summary>How long a request may take, in nanoseconds.</summary>
    private const ulong RequestTimeoutNs = 5_000_000_000;

    private const int NaksAllowed = 4;

    private readonly EhciDriver _driver;
    private readonly int _reserved;
    private EhciControlPipe _control;
    private int _controlPacketSize;

    private EhciConnection(EhciDriver driver, UsbLocation location, int address, int controlPacketSize)
    {
        (_driver, _reserved, _controlPacketSize, Location) = (driver, address, controlPacketSize, location);
        _control = OpenControl();
    }

    /// <inheritdoc/>
    public UsbLocation Location { get; }

    /// <inheritdoc/>
    public int Number { get; private set; }

    /// <inheritdoc/>
    public IUsbControlPipe Control => _control;

    /// <summary>Opens the way to a device at address 0.</summary>
    /// <param name="driver">The controller.</param>
    /// <param name="location">Where the device is.</param>
    /// <param name="address">The address that it will have.</param>
    public static async ValueTask<EhciConnection> Open(EhciDriver driver, UsbLocation location, int address)
    {
        await driver.ReserveQueue();
        return new(driver, location, address, location.Speed == DeviceSpeed.High ? 64 : 8);
    }

    /// <inheritdoc/>
    public ValueTask SetControlPacketSize(int bytes)
    {
        if (bytes == _controlPacketSize)
            return default;
        _controlPacketSize = bytes;
        return MoveControl(Number);
    }

    /// <inheritdoc/>
    public async ValueTask GiveAddress()
    {
        SetupPacket request = new() { Request = (byte)StandardRequest.SetAddress, Value = (ushort)_reserved };
        TransferResult result = await _control.Request(request, default, RequestTimeoutNs);
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"SET_ADDRESS ended as {result.Status}.");
        await _driver.Processor.Delay(AddressRecoveryNs);
        await MoveControl(_reserved);
    }

    /// <inheritdoc/>
    /// <remarks>Nothing to do: queues say by themselves through which hub they lead.</remarks>
    public ValueTask BecomeHub(int ports, bool hasTranslatorPerPort, int thinkTime) => default;

    /// <inheritdoc/>
    public async ValueTask<IUsbPipe> Open(UsbEndpoint endpoint)
    {
        endpoint.Require(Location.Speed);
        if (endpoint.Descriptor.TransferType == TransferType.Interrupt)
            return await OpenInterrupt(endpoint);
        if (endpoint.Descriptor.TransferType != TransferType.Bulk)
            throw new DriverException(DriverFailure.BadDescriptor, "Only bulk and interrupt endpoints are opened this way.");
        await _driver.ReserveQueue();
        EndpointCharacteristics characteristics = Characteristics(endpoint.Descriptor.Number, endpoint.Descriptor.MaxPacketSize);
        return OpenQueue(characteristics, endpoint.In);
    }

    /// <inheritdoc/>
    public async ValueTask<IUsbIsochronousPipe> OpenIsochronous(UsbEndpoint endpoint)
    {
        endpoint.Require(Location.Speed);
        if (endpoint.Descriptor.TransferType != TransferType.Isochronous)
            throw new DriverException(DriverFailure.BadDescriptor, "The endpoint is not isochronous.");
        PeriodicNeed need = EhciPeriodicNeeds.Isochronous(endpoint, Location);
        EhciPeriodicList list = await _driver.PeriodicList();
        return new EhciIsochronousPipe(_driver.Structures, _driver.Events, list, endpoint, this, need, Claim(list, need, endpoint));
    }

    /// <inheritdoc/>
    public async ValueTask Release()
    {
        await _control.Close();
        _driver.FreeAddress(_reserved);
    }

    private async ValueTask<IUsbPipe> OpenInterrupt(UsbEndpoint endpoint)
    {
        EhciPeriodicList list = await _driver.PeriodicList();
        await _driver.ReserveQueue();
        PeriodicNeed need = EhciPeriodicNeeds.Interrupt(endpoint, Location);
        PeriodicPlace place = Claim(list, need, endpoint);

        // An interrupt queue waits for its next turn after a NAK: it does not count them.
        EndpointCharacteristics characteristics = Characteristics(endpoint.Descriptor.Number, endpoint.Descriptor.MaxPacketSize) with { NakReload = 0 };
        EndpointCapabilities capabilities = Capabilities(new()
        {
            StartMask = place.StartMask,
            CompleteMask = place.CompleteMask,
            Multiplier = 1 + endpoint.Descriptor.AdditionalTransactions,
        });
        EhciQueue queue = new(_driver.Structures, characteristics, capabilities) { Place = place };
        return new EhciPipe(_driver.Structures, _driver.Events, list, queue, endpoint.In, closed: () => list.Bandwidth.Return(need, place));
    }

    private static PeriodicPlace Claim(EhciPeriodicList list, PeriodicNeed need, UsbEndpoint endpoint) =>
        list.Bandwidth.TryClaim(need, out PeriodicPlace place)
            ? place
            : throw new DriverException(DriverFailure.NoBandwidth, $"No time of the bus is left for the {endpoint.Descriptor.TransferType} endpoint {endpoint.Descriptor.Number}.");

    // Of endpoint 0, each descriptor brings the data toggle; a slower one is marked for the translator.
    private EhciControlPipe OpenControl()
    {
        EndpointCharacteristics characteristics = Characteristics(0, _controlPacketSize) with
        {
            ToggleFromDescriptor = true,
            ControlEndpoint = Location.Speed != DeviceSpeed.High,
        };
        return new(_driver.Structures, OpenQueue(characteristics, isIn: false));
    }

    private async ValueTask MoveControl(int address)
    {
        await _control.Close();
        await _driver.ReserveQueue();
        Number = address;
        _control = OpenControl();
    }

    private EhciPipe OpenQueue(EndpointCharacteristics characteristics, bool isIn)
    {
        EhciQueue queue = new(_driver.Structures, characteristics, Capabilities(new()));
        int address = Number;
        Func<ValueTask>? clear = Location.Translator is null ? null : () => ClearTranslator(Location.Translator, address, characteristics.Endpoint, isIn);
        return new(_driver.Structures, _driver.Events, _driver.AsyncList, queue, isIn, clear);
    }

    // CLEAR_TT_BUFFER: what a translator holds of control and bulk transactions it holds until it is asked or told. A hub
    // that does not answer is gone, and its devices with it; those who talk to them will notice.
    private static async ValueTask ClearTranslator(UsbTranslator translator, int address, int endpoint, bool isIn)
    {
        TtBufferSelector selector = new()
        {
            Endpoint = endpoint,
            DeviceAddress = (byte)address,
            EndpointType = endpoint == 0 ? TransferType.Control : TransferType.Bulk,
            In = isIn,
        };
        _ = await translator.Hub.Control.Request(
            new()
            {
                Type = RequestType.Class,
                Recipient = RequestRecipient.Other,
                Request = (byte)HubRequest.ClearTtBuffer,
                Value = (ushort)selector.Raw.Value,
                Index = (ushort)(translator.IsOfPort ? translator.Port : 1),
            },
            default,
            RequestTimeoutNs);
    }

    private EndpointCharacteristics Characteristics(int endpoint, int maxPacketSize) => new()
    {
        DeviceAddress = Number,
        Endpoint = endpoint,
        MaxPacketSize = maxPacketSize,
        NakReload = Location.Translator is null ? NaksAllowed : 0,
        Speed = Location.Speed switch
        {
            DeviceSpeed.Low => EndpointSpeed.Low,
            DeviceSpeed.Full => EndpointSpeed.Full,
            _ => EndpointSpeed.High,
        },
    };

    private EndpointCapabilities Capabilities(EndpointCapabilities rest) => rest with
    {
        Multiplier = Math.Max(1, rest.Multiplier),
        HubAddress = Location.Translator?.Hub.Number ?? 0,
        HubPort = Location.Translator?.Port ?? 0,
    };
}
