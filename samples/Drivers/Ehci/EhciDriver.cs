using Dma.Hal;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>A driver for an EHCI controller: bring-up, root ports, and the schedules on which pipes stand.</summary>
/// <remarks>
/// It knows its device through <see cref="IDevice"/> alone, so it runs on bare metal and in a virtual machine alike.
/// Every wait has an end, or ends when its pipe is closed: what the controller or a device does not do in time becomes a
/// <see cref="TransferStatus"/> or a <see cref="DriverException"/>.
/// </remarks>
public sealed class EhciDriver : IUsbHostController
{
    /// <summary>How long it waits for the answer to its doorbell before it gives the controller up, in nanoseconds.</summary>
    public const ulong AnswerNsMax = 10 * EhciEvents.WatchdogNs;

    private const ulong MillisecondNs = 1_000_000;
    private const int AddressMax = 127;

    private readonly IDevice _device;
    private readonly EhciRegisters _registers;
    private readonly EhciPorts _ports;
    private readonly ControllerWait _wait;
    private readonly Gate _starting = new();
    private readonly bool[] _addresses = new bool[AddressMax + 1];
    private EhciPeriodicList? _periodicList;

    private EhciDriver(IDevice device, EhciRegisters registers, EhciMemory structures, ControllerWait wait)
    {
        _device = device;
        _registers = registers;
        Structures = structures;
        _wait = wait;
        Events = new(device, registers);
        AsyncList = new(registers, structures, Events);
        _ports = new(device.Processor, registers);
    }

    /// <inheritdoc/>
    public IUsbHostController Controller => this;

    /// <inheritdoc/>
    public int PortCount => _registers.Structure.PortCount;

    /// <inheritdoc/>
    public bool HasStopped => Events.HasStopped;

    /// <inheritdoc/>
    public IDmaSpace Memory => _device.Dma;

    /// <inheritdoc/>
    public Processor Processor => _device.Processor;

    /// <inheritdoc/>
    public Gate AddressZero { get; } = new();

    /// <summary>What is reserved of each microframe, in nanoseconds, over the frames after which it repeats: what this driver believes. Empty where nothing ever was.</summary>
    public ReadOnlySpan<uint> ReservedNs => _periodicList is { } list ? list.Bandwidth.LoadNs : default;

    /// <summary>Whether something is connected to a port, and whether that changed since the port was last reset.</summary>
    /// <param name="port">From 1.</param>
    public (bool Connected, bool Changed) LookAt(int port) => _ports.LookAt(port);

    /// <summary>Where the structures lie that the controller works on.</summary>
    internal EhciMemory Structures { get; }

    /// <summary>What the controller tells.</summary>
    internal EhciEvents Events { get; }

    /// <summary>The list of control and bulk queues.</summary>
    internal EhciAsyncList AsyncList { get; }

    /// <summary>Takes the controller over, resets it and starts it with an empty schedule and powered ports.</summary>
    /// <exception cref="DriverException">It is no EHCI controller, does not react, or gets no memory.</exception>
    public static async ValueTask<EhciDriver> Start(IDevice device)
    {
        await EhciHandoff.TakeOver(device);
        EhciRegisters registers = EhciRegisters.Open(device);
        ControllerWait wait = new(device.Processor, () => registers.Status.HostSystemError);

        // Stop it, then reset: a reset while it runs is undefined.
        registers.Command = registers.Command with { Run = false };
        await wait.Expect(20 * MillisecondNs, "did not halt", () => registers.Status.Halted);
        registers.Command = registers.Command with { Reset = true };
        await wait.Expect(250 * MillisecondNs, "did not finish its reset", () => !registers.Command.Reset);

        EhciMemory structures = await EhciMemory.Allocate(device.Dma, registers.Capabilities.Addresses64Bit);
        EhciDriver driver = new(device, registers, structures, wait);
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
        Events.Stop();
        _registers.Interrupts = default;
        _registers.Command = default;
        if (await _wait.Until(20 * MillisecondNs, () => _registers.Status.Halted))
        {
            _registers.ConfigureFlag = default;
            await Structures.Free();
        }

        // A controller that does not halt keeps its memory: given back, it would be written by somebody else's work.
    }

    /// <inheritdoc/>
    /// <exception cref="DriverException">Nothing is there, or it is no high-speed device: that one goes to the companion controller.</exception>
    public async ValueTask<UsbLocation> ResetPort(int port)
    {
        await _ports.Reset(port);
        return new(port, Route: 0, DeviceSpeed.High, Translator: null);
    }

    /// <inheritdoc/>
    public async ValueTask<IUsbConnection> Connect(UsbLocation location)
    {
        int address = Array.IndexOf(_addresses, false, 1);
        if (address < 0)
            throw new DriverException(DriverFailure.TooManyDevices, "All 127 addresses of the bus are taken.");
        _addresses[address] = true;
        try
        {
            return await EhciConnection.Open(this, location, address);
        }
        catch (DriverException)
        {
            FreeAddress(address);
            throw;
        }
    }

    /// <summary>An address is free for another device.</summary>
    internal void FreeAddress(int address) => _addresses[address] = false;

    /// <summary>Sees to it that a queue can be built, with a setup packet if it needs one.</summary>
    internal async ValueTask ReserveQueue()
    {
        while (!Structures.Has(large: 1, small: 2))
            await Structures.Reserve(large: 1, small: 2);
    }

    /// <summary>The list of interrupt queues and isochronous descriptors; it starts when it is first needed.</summary>
    internal async ValueTask<EhciPeriodicList> PeriodicList()
    {
        await _starting.Enter();
        try
        {
            return _periodicList ??= await EhciPeriodicList.Start(_device, _registers, Structures, Events);
        }
        finally
        {
            _starting.Leave();
        }
    }

    private async ValueTask Run()
    {
        _registers.Interrupts = new() { Transfer = true, Error = true, HostSystemError = true, AsyncAdvance = true };
        _registers.Command = new() { Run = true, InterruptThreshold = 1 };
        await _wait.Expect(20 * MillisecondNs, "did not start", () => !_registers.Status.Halted);
        _registers.Command = _registers.Command with { AsyncEnable = true };
        await _wait.Expect(20 * MillisecondNs, "did not start its schedule", () => _registers.Status.AsyncActive);
        _registers.ConfigureFlag = new() { Configured = true };
        await _ports.PowerOn();
    }
}
