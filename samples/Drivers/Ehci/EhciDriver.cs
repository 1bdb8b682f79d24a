using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A driver for an EHCI controller: bring-up, root ports, control and bulk transfers.</summary>
/// <remarks>
/// It knows its device through <see cref="IDevice"/> alone, so it runs on bare metal and in a virtual machine alike.
/// One transfer runs at a time. Every wait has an end: what the controller or a device does not do in time becomes a
/// <see cref="TransferStatus"/> or a <see cref="DriverException"/>.
/// </remarks>
public sealed class EhciDriver
{
    /// <summary>The longest transfer in bytes: its chain, however its buffer lies in its pages, fits the descriptors there are.</summary>
    public const int MaxTransferBytes = 1 << 20;

    private const ulong MicroframeNs = 125_000;
    private const ulong MillisecondNs = 1_000_000;

    /// <summary>How long a lost interrupt may go unnoticed.</summary>
    private const ulong WatchdogNs = 10 * MillisecondNs;

    private readonly IDevice _device;
    private readonly EhciRegisters _registers;
    private readonly EhciMemory _memory;
    private readonly EhciSchedule _schedule;
    private readonly EhciPorts _ports;
    private bool _busy;

    private EhciDriver(IDevice device, EhciRegisters registers, EhciMemory memory)
    {
        _device = device;
        _registers = registers;
        _memory = memory;
        _schedule = new(registers, memory);
        _ports = new(device.Processor, registers);
    }

    /// <summary>How many root ports there are; they are numbered from 1.</summary>
    public int PortCount => _registers.Structure.PortCount;

    /// <summary>Whether the controller stopped by itself; only a new <see cref="Start"/> brings it back.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Memory for buffers, and their mappings.</summary>
    public IDmaSpace Memory => _device.Dma;

    /// <summary>Virtual time, in nanoseconds.</summary>
    public ulong NowNs => _device.Processor.Loop.NowNs;

    /// <summary>Takes the controller over, resets it and starts it with an empty schedule and powered ports.</summary>
    /// <exception cref="DriverException">It is no EHCI controller, does not react, or gets no memory.</exception>
    public static async ValueTask<EhciDriver> Start(IDevice device)
    {
        await EhciHandoff.TakeOver(device);
        EhciRegisters registers = EhciRegisters.Open(device);

        // Stop it, then reset: a reset while it runs is undefined.
        registers.Command = registers.Command with { Run = false };
        await Expect(device, registers, () => registers.Status.Halted, 20 * MillisecondNs, "did not halt");
        registers.Command = registers.Command with { Reset = true };
        await Expect(device, registers, () => !registers.Command.Reset, 250 * MillisecondNs, "did not finish its reset");

        EhciMemory memory = await EhciMemory.Allocate(device.Dma, registers.Capabilities.Addresses64Bit);
        EhciDriver driver = new(device, registers, memory);
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

    /// <summary>Stops the controller and gives its memory back. No pipe may be used afterwards.</summary>
    public async ValueTask Stop()
    {
        HasStopped = true;
        _registers.Interrupts = default;
        _registers.Command = default;
        if (await Until(_device, 20 * MillisecondNs, () => _registers.Status.Halted))
        {
            _registers.ConfigureFlag = default;
            (await _memory.Free(_device.Dma)).Require("free the schedule");
        }

        // A controller that does not halt keeps its memory: given back, it would be written by somebody else's work.
    }

    /// <summary>Lets time pass, in nanoseconds.</summary>
    public ValueTask Delay(ulong delayNs) => _device.Processor.Delay(delayNs);

    /// <summary>Waits for a device at a root port and resets it, so that it answers at address 0.</summary>
    /// <param name="port">From 1.</param>
    /// <exception cref="DriverException">Nothing is there, or it is no high-speed device.</exception>
    public ValueTask ResetPort(int port) => _ports.Reset(port);

    /// <summary>Opens the control pipe of a device.</summary>
    /// <param name="device">Its address, 0 to 127.</param>
    /// <param name="maxPacketSize">Of endpoint 0, in bytes.</param>
    public EhciPipe OpenControl(int device, int maxPacketSize) => Open(EhciPipe.Control(_memory, device, maxPacketSize));

    /// <summary>Opens the pipe of a bulk endpoint.</summary>
    /// <param name="device">The device's address, 1 to 127.</param>
    /// <param name="endpoint">The endpoint's number, 1 to 15.</param>
    /// <param name="maxPacketSize">In bytes, 1 to 1024.</param>
    public EhciPipe OpenBulk(int device, int endpoint, int maxPacketSize) =>
        Open(EhciPipe.Bulk(_memory, device, endpoint, maxPacketSize));

    /// <summary>Closes a pipe; one that is closed stays so.</summary>
    public async ValueTask Close(EhciPipe pipe)
    {
        if (await TakeOffSchedule(pipe))
            pipe.Release();
    }

    /// <summary>Makes a pipe usable after a failed transfer, with its data toggle at the start.</summary>
    /// <remarks>The device's side starts anew when its halt is cleared; that is the caller's request to make.</remarks>
    public async ValueTask Restart(EhciPipe pipe)
    {
        if (!await TakeOffSchedule(pipe))
            return;
        pipe.Repair();
        _schedule.Link(pipe);
    }

    /// <summary>Makes a request at a control pipe.</summary>
    /// <param name="pipe">From <see cref="OpenControl"/>.</param>
    /// <param name="setup">The request; its length is that of the data.</param>
    /// <param name="data">What the device may reach for the data stage; unused where there is none.</param>
    /// <param name="timeoutNs">How long it may take, in nanoseconds.</param>
    public ValueTask<TransferResult> Control(EhciPipe pipe, SetupPacket setup, DmaMapping data, ulong timeoutNs)
    {
        bool hasData = setup.Length != 0;
        bool isIn = hasData && setup.In;
        _memory.Write(0, setup);
        EhciPipe.Stage request = new(PacketId.Setup, new(_memory.SetupAddress), SetupPacket.Size, Toggle: false, IsData: false);
        EhciPipe.Stage contents = new(isIn ? PacketId.In : PacketId.Out, data.DeviceAddress, setup.Length, Toggle: true, IsData: true);
        EhciPipe.Stage status = new(isIn ? PacketId.Out : PacketId.In, default, 0, Toggle: true, IsData: false);
        return Execute(pipe, hasData ? [request, contents, status] : [request, status], timeoutNs);
    }

    /// <summary>Moves data to or from a bulk endpoint.</summary>
    /// <param name="pipe">From <see cref="OpenBulk"/>.</param>
    /// <param name="data">What the device may reach, at most <see cref="MaxTransferBytes"/>.</param>
    /// <param name="isIn">Whether the device sends.</param>
    /// <param name="timeoutNs">How long it may take, in nanoseconds.</param>
    public ValueTask<TransferResult> Bulk(EhciPipe pipe, DmaMapping data, bool isIn, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, MaxTransferBytes);
        PacketId pid = isIn ? PacketId.In : PacketId.Out;
        return Execute(pipe, [new(pid, data.DeviceAddress, data.Length, Toggle: false, IsData: true)], timeoutNs);
    }

    private static async ValueTask Expect(IDevice device, EhciRegisters registers, Func<bool> condition, ulong timeoutNs, string failure)
    {
        if (await Until(device, timeoutNs, condition))
            return;
        throw registers.Status.HostSystemError
            ? new DriverException(DriverFailure.HostSystemError, $"The controller {failure}: memory refused one of its accesses.")
            : new DriverException(DriverFailure.ControllerTimeout, $"The controller {failure}.");
    }

    private static async ValueTask<bool> Until(IDevice device, ulong timeoutNs, Func<bool> condition)
    {
        ulong endNs = device.Processor.Loop.NowNs + timeoutNs;
        while (!condition())
        {
            if (device.Processor.Loop.NowNs >= endNs)
                return false;
            await device.Processor.Delay(MicroframeNs);
        }

        return true;
    }

    private async ValueTask Run()
    {
        _registers.Interrupts = new() { Transfer = true, Error = true, HostSystemError = true, AsyncAdvance = true };
        _registers.Command = new() { Run = true, InterruptThreshold = 1 };
        await Expect(_device, _registers, () => !_registers.Status.Halted, 20 * MillisecondNs, "did not start");
        _registers.Command = _registers.Command with { AsyncEnable = true };
        await Expect(_device, _registers, () => _registers.Status.AsyncActive, 20 * MillisecondNs, "did not start its schedule");
        _registers.ConfigureFlag = new() { Configured = true };
        await _ports.PowerOn();
    }

    private EhciPipe Open(EhciPipe pipe)
    {
        _schedule.Link(pipe);
        return pipe;
    }

    /// <summary>Runs a chain to its end, whatever that is.</summary>
    private async ValueTask<TransferResult> Execute(EhciPipe pipe, EhciPipe.Stage[] stages, ulong timeoutNs)
    {
        if (_busy)
            throw new InvalidOperationException("One transfer at a time.");
        if (HasStopped)
            return new(TransferStatus.ControllerStopped, 0);
        _busy = true;
        try
        {
            pipe.Submit(stages);
            TransferStatus status = await WaitForEnd(pipe, NowNs + timeoutNs);
            if (status == TransferStatus.Completed)
                pipe.Retire();
            else
                await Restart(pipe);
            return new(HasStopped && status != TransferStatus.Completed ? TransferStatus.ControllerStopped : status, pipe.BytesMoved);
        }
        finally
        {
            _busy = false;
        }
    }

    private async ValueTask<TransferStatus> WaitForEnd(EhciPipe pipe, ulong endNs)
    {
        while (true)
        {
            // Memory says whether it is done; the interrupt only says that it is worth looking.
            TransferStatus status = pipe.Examine();
            if (status != TransferStatus.None)
                return status;
            if (HasStopped)
                return TransferStatus.ControllerStopped;
            if (NowNs >= endNs)
                return TransferStatus.TimedOut;
            _ = await WaitForInterrupt(Math.Min(endNs - NowNs, WatchdogNs));
        }
    }

    /// <summary>Waits for an interrupt and acknowledges its causes; a lost one is noticed when time is up.</summary>
    private async ValueTask<UsbStatus> WaitForInterrupt(ulong timeoutNs)
    {
        _ = await _device.Interrupt.Wait(timeoutNs);
        UsbStatus status = _registers.Status;
        _registers.Acknowledge(status);

        // A host system error halts the controller; so does the removal of its card, after which all bits read as one.
        HasStopped |= status.HostSystemError || status.Halted;
        return status;
    }

    /// <summary>Takes a queue head off the schedule and waits until the controller has let go of it.</summary>
    /// <returns>Whether it did; where not, the controller counts as stopped.</returns>
    private async ValueTask<bool> TakeOffSchedule(EhciPipe pipe)
    {
        if (HasStopped || !_schedule.Contains(pipe))
            return false;
        _schedule.Unlink(pipe);
        ulong endNs = NowNs + 10 * WatchdogNs;
        while (!HasStopped)
        {
            // The doorbell clears when it is answered; that also helps where the interrupt is lost.
            UsbStatus status = await WaitForInterrupt(WatchdogNs);
            if (status.AsyncAdvance || !_registers.Command.AsyncAdvanceDoorbell)
                return !HasStopped;
            HasStopped |= NowNs >= endNs;
        }

        return false;
    }
}
