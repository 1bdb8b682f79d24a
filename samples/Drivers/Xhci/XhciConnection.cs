using System.Numerics;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A device behind an xHCI controller: a slot. The controller chooses the address, and is told of each endpoint.</summary>
/// <remarks>
/// Two pages are shared: the device context, which the controller writes and software reads, and the input context, with
/// which software says what shall change.
///
/// <code>
/// 0000h  device context: slot, endpoint 0, 1 OUT, 1 IN, ...      1000h  input context: control context, then the same
/// </code>
/// </remarks>
internal sealed class XhciConnection : IUsbConnection
{
    private const int InputOffset = 0x1000;
    private const int Bytes = 0x2000;
    private const int ErrorsAllowed = 3;

    /// <summary>How long a device may need to listen to its new address, in nanoseconds; at least 2 ms.</summary>
    private const ulong AddressRecoveryNs = 10_000_000;

    private readonly XhciDriver _driver;
    private readonly CoherentBuffer _contexts;
    private readonly int _stride;
    private SlotContext _slot;
    private uint _open;
    private XhciPipe? _control;
    private XhciRing? _controlRing;

    private XhciConnection(XhciDriver driver, UsbLocation location, int slot, CoherentBuffer contexts)
    {
        (_driver, _contexts, Location, Number) = (driver, contexts, location, slot);
        _stride = driver.Registers.Capabilities.Contexts64Byte ? 64 : 32;
    }

    /// <inheritdoc/>
    public UsbLocation Location { get; }

    /// <inheritdoc/>
    public int Number { get; }

    /// <inheritdoc/>
    public IUsbControlPipe Control => _control ?? throw new InvalidOperationException("Endpoint 0 is closed.");

    /// <summary>Gets a slot for a device that is at address 0, and opens its endpoint 0.</summary>
    /// <exception cref="DriverException">The controller does not take one more device.</exception>
    public static async ValueTask<XhciConnection> Open(XhciDriver driver, UsbLocation location)
    {
        CoherentBuffer contexts = await driver.Structures.Allocate(Bytes);
        int slot = 0;
        try
        {
            slot = (await driver.Commands.Require(
                new EnableSlotCommand { Type = TrbType.EnableSlot, SlotType = driver.SlotTypeOf(location.RootPort) }.Raw)).Slot;
            driver.SetContext(slot, contexts.Address);
            XhciConnection device = new(driver, location, slot, contexts);
            await device.OpenControl();
            return device;
        }
        catch (DriverException)
        {
            await driver.GiveUp(slot, contexts);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask SetControlPacketSize(int bytes)
    {
        if (bytes == _control!.MaxPacketSize)
            return;
        _control.MaxPacketSize = bytes;
        WriteInput(add: 1u << ContextIndex.Control, drop: 0);
        WriteEndpoint(ContextIndex.Control, _contexts.Read<EndpointContext>(ContextIndex.Offset(ContextIndex.Control, _stride)) with { MaxPacketSize = bytes });
        await Command(TrbType.EvaluateContext);
    }

    /// <inheritdoc/>
    public async ValueTask GiveAddress()
    {
        await Address(isBlocked: false);
        await _driver.Processor.Delay(AddressRecoveryNs);
    }

    /// <inheritdoc/>
    public async ValueTask BecomeHub(int ports, bool hasTranslatorPerPort, int thinkTime)
    {
        _slot = _slot with { Hub = true, PortCount = (byte)ports, MultiTranslator = hasTranslatorPerPort, ThinkTime = thinkTime };
        await Configure(add: 0, drop: 0);
    }

    /// <inheritdoc/>
    public async ValueTask<IUsbPipe> Open(UsbEndpoint endpoint)
    {
        if (endpoint.Descriptor.TransferType is not (TransferType.Bulk or TransferType.Interrupt))
            throw new DriverException(DriverFailure.BadDescriptor, "Only bulk and interrupt endpoints are opened this way.");
        return new XhciPipe(_driver, this, await Add(endpoint), endpoint.Descriptor.MaxPacketSize);
    }

    /// <inheritdoc/>
    public async ValueTask<IUsbStreamPipe?> OpenStreams(UsbEndpoint endpoint)
    {
        int most = _driver.Registers.Capabilities.StreamArrayMax;
        if (Location.Speed != DeviceSpeed.Super || endpoint.Companion.MaxStreams == 0 || most == 0 || endpoint.Descriptor.TransferType != TransferType.Bulk)
            return null;
        endpoint.Require(Location.Speed);
        XhciStreams streams = await XhciStreams.Allocate(_driver.Structures, Math.Min(endpoint.Companion.MaxStreams - 1, most));
        EndpointContext context = XhciEndpointContexts.Of(endpoint, Location.Speed) with { StreamsMax = streams.SizeCode, LinearStreams = true, Dequeue = streams.Array };
        try
        {
            return new XhciStreamPipe(_driver, this, await Add(endpoint, streams[1], context), streams, endpoint.Descriptor.MaxPacketSize);
        }
        catch (DriverException)
        {
            await streams.Free(_driver.Structures);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IUsbIsochronousPipe> OpenIsochronous(UsbEndpoint endpoint)
    {
        if (endpoint.Descriptor.TransferType != TransferType.Isochronous)
            throw new DriverException(DriverFailure.BadDescriptor, "The endpoint is not isochronous.");
        return new XhciIsochronousPipe(_driver, this, await Add(endpoint), endpoint);
    }

    /// <inheritdoc/>
    public async ValueTask Release()
    {
        if (_control is null)
            return;
        _driver.Events.Forget(Number, ContextIndex.Control);
        _control = null;
        await _driver.GiveUp(Number, _contexts);
        await _driver.Structures.Free(_controlRing!.Buffer);
    }

    /// <summary>What the controller says of an endpoint.</summary>
    public EndpointState StateOf(int index) => _contexts.Read<EndpointContext>(ContextIndex.Offset(index, _stride)).State;

    /// <summary>Takes an endpoint away and adds it anew, so that its data toggle starts anew.</summary>
    /// <exception cref="DriverException">The controller stopped, or does not take it.</exception>
    public async ValueTask Readd(XhciEndpoint endpoint)
    {
        await endpoint.Stop();
        endpoint.Ring.Clear();
        EndpointContext context = _contexts.Read<EndpointContext>(ContextIndex.Offset(endpoint.Index, _stride));
        WriteEndpoint(endpoint.Index, context with { State = EndpointState.Disabled, Dequeue = endpoint.Ring.Next, CycleState = endpoint.Ring.Cycle });
        await Configure(add: 1u << endpoint.Index, drop: 1u << endpoint.Index);
    }

    /// <summary>Takes an endpoint away.</summary>
    public async ValueTask Remove(XhciEndpoint endpoint)
    {
        _open &= ~(1u << endpoint.Index);
        if (_driver.HasStopped)
            return;
        try
        {
            await endpoint.Stop();
            await Configure(add: 0, drop: 1u << endpoint.Index);
            await _driver.Structures.Free(endpoint.Ring.Buffer);
        }
        catch (DriverException)
        {
            // A controller that does not let go of the ring keeps it until it is stopped.
        }
    }

    private async ValueTask OpenControl()
    {
        _controlRing = await XhciRing.Allocate(_driver.Structures);
        int packet = Location.Speed switch { DeviceSpeed.Super => 512, DeviceSpeed.High => 64, _ => 8 };
        _slot = new()
        {
            Route = Location.Route,
            Speed = Location.Speed switch
            {
                DeviceSpeed.Low => PortSpeed.Low,
                DeviceSpeed.Full => PortSpeed.Full,
                DeviceSpeed.High => PortSpeed.High,
                _ => PortSpeed.Super,
            },
            RootPort = (byte)Location.RootPort,
            Entries = ContextIndex.Control,
            TranslatorSlot = (byte)(Location.Translator?.Hub.Number ?? 0),
            TranslatorPort = (byte)(Location.Translator?.Port ?? 0),
            MultiTranslator = Location.Translator is { IsOfPort: true },
        };
        WriteEndpoint(ContextIndex.Control, new()
        {
            Type = XhciEndpointType.Control,
            ErrorCount = ErrorsAllowed,
            MaxPacketSize = packet,
            Dequeue = _controlRing.Next,
            CycleState = _controlRing.Cycle,
            AverageLength = SetupPacket.Size,
        });

        // First without SET_ADDRESS: the device says how long its packets are before it is given an address.
        await Address(isBlocked: true);
        _control = new(_driver, this, new(_driver, this, ContextIndex.Control, _controlRing), packet);
    }

    private async ValueTask Address(bool isBlocked)
    {
        WriteInput(add: (1u << ContextIndex.Slot) | (1u << ContextIndex.Control), drop: 0);
        WriteSlot();
        if (!isBlocked)
        {
            // What ran on the ring so far is over.
            EndpointContext context = _contexts.Read<EndpointContext>(ContextIndex.Offset(ContextIndex.Control, _stride));
            WriteEndpoint(ContextIndex.Control, context with { Dequeue = _controlRing!.Next, CycleState = _controlRing.Cycle });
        }

        await Command(TrbType.AddressDevice, isBlocked);
    }

    private async ValueTask<XhciEndpoint> Add(UsbEndpoint endpoint)
    {
        endpoint.Require(Location.Speed);
        XhciRing ring = await XhciRing.Allocate(_driver.Structures);
        try
        {
            return await Add(endpoint, ring, XhciEndpointContexts.Of(endpoint, Location.Speed) with { Dequeue = ring.Next, CycleState = ring.Cycle });
        }
        catch (DriverException)
        {
            await _driver.Structures.Free(ring.Buffer);
            throw;
        }
    }

    private async ValueTask<XhciEndpoint> Add(UsbEndpoint endpoint, XhciRing ring, EndpointContext context)
    {
        int index = ContextIndex.Of(endpoint.Descriptor.Number, endpoint.In);
        WriteEndpoint(index, context);
        _open |= 1u << index;
        try
        {
            await Configure(add: 1u << index, drop: 0);
            return new(_driver, this, index, ring);
        }
        catch (DriverException)
        {
            _open &= ~(1u << index);
            throw;
        }
    }

    private ValueTask Configure(uint add, uint drop)
    {
        _slot = _slot with { Entries = Math.Max(ContextIndex.Control, BitOperations.Log2(_open | 1)) };
        WriteInput(add | (1u << ContextIndex.Slot), drop);
        WriteSlot();
        return Command(TrbType.ConfigureEndpoint);
    }

    private async ValueTask Command(TrbType type, bool isBlocked = false) => _ = await _driver.Commands.Require(new ContextCommand
    {
        Type = type,
        InputContext = _contexts.Address + InputOffset,
        BlockSetAddress = isBlocked,
        Slot = (byte)Number,
    }.Raw);

    private void WriteInput(uint add, uint drop) => _contexts.Write(InputOffset, new InputControlContext { AddFlags = add, DropFlags = drop });

    private void WriteSlot() => _contexts.Write(InputOffset + ContextIndex.InputOffset(ContextIndex.Slot, _stride), _slot);

    private void WriteEndpoint(int index, EndpointContext context) =>
        _contexts.Write(InputOffset + ContextIndex.InputOffset(index, _stride), context);
}
