using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A driver for an xHCI controller: bring-up, root ports, the command ring and the event ring on which all else is built.</summary>
/// <remarks>
/// It knows its device through <see cref="IDevice"/> alone, so it runs on bare metal and in a virtual machine alike.
/// Every wait has an end, or ends when its pipe is closed: what the controller or a device does not do in time becomes a
/// <see cref="TransferStatus"/> or a <see cref="DriverException"/>.
/// </remarks>
public sealed class XhciDriver : IUsbHostController
{
    private const ulong MillisecondNs = 1_000_000;
    private const int PageBytes = 4096;

    /// <summary>The least time between two interrupts, in 250 ns: a microframe's part, so that small transfers do not wait for the next one.</summary>
    private const int ModerationInterval = 40;

    private readonly IDevice _device;
    private readonly XhciPorts _ports;
    private readonly ControllerWait _wait;
    private readonly int[] _slotTypes;
    private CoherentBuffer? _contextArray;
    private XhciEvents? _events;
    private XhciCommands? _commands;

    private XhciDriver(IDevice device, XhciRegisters registers, ControllerWait wait)
    {
        _device = device;
        Registers = registers;
        _wait = wait;
        Structures = new(device.Dma, registers.Capabilities.Addresses64Bit);
        _ports = new(device.Processor, registers);
        _slotTypes = XhciExtendedCapabilities.SlotTypes(device, registers.Structure1.PortCount);
    }

    /// <inheritdoc/>
    public IUsbHostController Controller => this;

    /// <inheritdoc/>
    public int PortCount => Registers.Structure1.PortCount;

    /// <inheritdoc/>
    public bool HasStopped => Events.HasStopped;

    /// <inheritdoc/>
    public IDmaSpace Memory => _device.Dma;

    /// <inheritdoc/>
    public Processor Processor => _device.Processor;

    /// <inheritdoc/>
    /// <remarks>The controller itself keeps devices at address 0 apart by their slots, but the port of one may still be in its reset.</remarks>
    public Gate AddressZero { get; } = new();

    /// <summary>The registers.</summary>
    internal XhciRegisters Registers { get; }

    /// <summary>Memory that the controller shares.</summary>
    internal XhciMemory Structures { get; }

    /// <summary>What the controller tells.</summary>
    internal XhciEvents Events => _events ?? throw new InvalidOperationException("The controller was not started.");

    /// <summary>The command ring.</summary>
    internal XhciCommands Commands => _commands ?? throw new InvalidOperationException("The controller was not started.");

    /// <summary>Takes the controller over, resets it and starts it with empty rings and powered ports.</summary>
    /// <exception cref="DriverException">It is no xHCI controller, does not react, or gets no memory.</exception>
    public static async ValueTask<XhciDriver> Start(IDevice device)
    {
        XhciRegisters registers = XhciRegisters.Open(device);
        await XhciExtendedCapabilities.TakeOver(device);
        ControllerWait wait = new(device.Processor, () => registers.Status is { HostSystemError: true } or { ControllerError: true });

        // Stop it, then reset: a reset while it runs is undefined. Until it is ready, nothing else may be written.
        await wait.Expect(250 * MillisecondNs, "is not ready", () => !registers.Status.NotReady);
        registers.Command = registers.Command with { Run = false };
        await wait.Expect(20 * MillisecondNs, "did not halt", () => registers.Status.Halted);
        registers.Command = new() { Reset = true };
        await wait.Expect(250 * MillisecondNs, "did not finish its reset", () => !registers.Command.Reset && !registers.Status.NotReady);
        if (!registers.HasSmallPages)
            throw new DriverException(DriverFailure.NotAnXhciController, "The controller does not work with pages of 4 KiB.");

        XhciDriver driver = new(device, registers, wait);
        try
        {
            await driver.Run();
            return driver;
        }
        catch (DriverException)
        {
            await driver.Stop();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask Stop()
    {
        _events?.Stop();
        Registers.Command = default;
        if (await _wait.Until(20 * MillisecondNs, () => Registers.Status.Halted))
            await Structures.FreeAll();

        // A controller that does not halt keeps its memory: given back, it would be written by somebody else's work.
    }

    /// <inheritdoc/>
    public async ValueTask<UsbLocation> ResetPort(int port) => new(port, Route: 0, await _ports.Reset(port), Translator: null);

    /// <inheritdoc/>
    public async ValueTask<IUsbConnection> Connect(UsbLocation location) => await XhciConnection.Open(this, location);

    /// <summary>What Enable Slot is given for devices at a root port.</summary>
    internal int SlotTypeOf(int port) => _slotTypes[port];

    /// <summary>Tells the controller where the context of a slot is.</summary>
    internal void SetContext(int slot, ulong address) => _contextArray!.Write(8 * slot, new ContextPointer { Address = address });

    /// <summary>Gives a slot back, and its contexts.</summary>
    /// <param name="slot">The slot, or 0 where there is none yet.</param>
    /// <param name="contexts">Its contexts.</param>
    internal async ValueTask GiveUp(int slot, CoherentBuffer contexts)
    {
        try
        {
            if (slot != 0)
            {
                _ = await Commands.Execute(new SlotCommand { Type = TrbType.DisableSlot, Slot = (byte)slot }.Raw);
                SetContext(slot, 0);
            }

            await Structures.Free(contexts);
        }
        catch (DriverException)
        {
            // A controller that does not answer keeps the memory until it is stopped.
        }
    }

    private async ValueTask Run()
    {
        // Slots and their contexts; entry 0 of the array leads to the pages that the controller wants for itself.
        int slots = Registers.Structure1.SlotCount;
        _contextArray = await Structures.Allocate(8 * (slots + 1));
        await GiveScratchpads();
        Registers.Configure = new() { SlotsEnabled = slots };
        Registers.ContextArray = new() { Address = _contextArray.Address };

        // The two rings.
        XhciEventRing events = await XhciEventRing.Start(Registers, Structures);
        _events = new(_device, Registers, events);
        _commands = new(Registers, _events, await XhciRing.Allocate(Structures));

        // Interrupts, and go.
        Registers.Moderation = new() { Interval = ModerationInterval };
        Registers.Management = new() { Pending = true, Enable = true };
        Registers.Command = new() { Run = true, InterruptEnable = true, SystemErrorEnable = true };
        await _wait.Expect(20 * MillisecondNs, "did not start", () => !Registers.Status.Halted);
        await _ports.PowerOn();
    }

    private async ValueTask GiveScratchpads()
    {
        int count = Registers.Structure2.ScratchpadCount;
        if (count == 0)
            return;
        CoherentBuffer array = await Structures.Allocate(8 * count);
        CoherentBuffer pages = await Structures.Allocate(PageBytes * count);
        for (int page = 0; page < count; page++)
            array.Write(8 * page, new ScratchpadPointer { Address = pages.Address + (ulong)(page * PageBytes) });
        _contextArray!.Write(0, new ContextPointer { Address = array.Address });
    }
}
