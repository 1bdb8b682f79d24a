using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of an EHCI controller as a VM sees them that does not have it at the moment.</summary>
/// <remarks>
/// An image, and not a queue of writes: a write changes it as it would change the register, is read back at once, and takes
/// effect with the next turn; so nothing has to be replayed and nothing can overflow. What the guest waits for in microframes is answered
/// at once where that is true: a schedule that it turns off is off. A doorbell waits for the next turn. Its own ports the guest reaches
/// all the time, through their gates.
/// </remarks>
internal sealed class EhciImage : ITurnImage, IRegisterEffects
{
    private const uint Causes = 0x3F;
    private const int Doubleword = sizeof(uint);
    private const uint DefaultThreshold = 8u << 16;
    private const uint ParkDefaults = 0xB00;

    private readonly GatedEhci _hardware;
    private readonly EventLoop _loop;
    private readonly StateRegion _region;
    private readonly Action _interrupt;
    private readonly EhciOverlay _overlay;
    private readonly RegisterFile _file;
    private readonly FrameClock _clock = new();
    private readonly int _base;
    private uint _asserted;
    private ulong _seen;
    private bool _isAsyncWritten;
    private bool _wasRunning;

    // False while the controller is still coming to a stop: until then nothing that the guest stops has stopped.
    private bool _isStill = true;

    /// <summary>The registers after a reset.</summary>
    /// <param name="hardware">The controller.</param>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="ports">The root ports of the VM, a bit for each.</param>
    /// <param name="region">Where they are kept.</param>
    /// <param name="interrupt">How an interrupt gets into the VM.</param>
    public EhciImage(GatedEhci hardware, EventLoop loop, uint ports, StateRegion region, Action interrupt)
    {
        (_hardware, _loop, Ports, _region, _interrupt, _base) = (hardware, loop, ports, region, interrupt, hardware.OperationalBase);
        _overlay = new(hardware);
        List<Register> registers = [];
        for (int offset = 0; offset + Doubleword <= _base; offset += Doubleword)
            registers.Add(new(offset, Doubleword, $"CAP{offset:X2}", new(hardware.Capability(offset))));
        CapabilityParameters can = hardware.Capabilities;
        UsbCommand command = new()
        {
            Run = true,
            Reset = true,
            FrameListSize = can.ProgrammableFrameList ? (FrameListSize)3 : 0,
            PeriodicEnable = true,
            AsyncEnable = true,
            AsyncAdvanceDoorbell = true,
            ParkCount = can.AsyncPark ? 3 : 0,
            ParkEnable = can.AsyncPark,
            InterruptThreshold = 0xFF,
        };
        void Add(int operational, string name, RegisterRule rule) => registers.Add(new(_base + operational, Doubleword, name, rule));
        Add(EhciOperationalOffsets.UsbCommand, "USBCMD", new(DefaultThreshold | (can.AsyncPark ? ParkDefaults : 0), Writable: command.Raw.Value));
        Add(EhciOperationalOffsets.UsbStatus, "USBSTS", new(new UsbStatus { Halted = true }.Raw.Value, ClearOnOne: Causes));
        Add(EhciOperationalOffsets.InterruptEnable, "USBINTR", new(0, Writable: Causes));
        Add(EhciOperationalOffsets.FrameIndex, "FRINDEX", new(0, Writable: Bits32.Mask(13, 0)));
        Add(EhciOperationalOffsets.Segment, "CTRLDSSEGMENT", new(0, Writable: can.Addresses64Bit ? uint.MaxValue : 0));
        Add(EhciOperationalOffsets.PeriodicListBase, "PERIODICLISTBASE", new(0, Writable: Bits32.Mask(31, 12)));
        Add(EhciOperationalOffsets.AsyncListAddress, "ASYNCLISTADDR", new(0, Writable: Bits32.Mask(31, 5)));
        Add(EhciOperationalOffsets.ConfigureFlag, "CONFIGFLAG", new(0, Writable: 1));
        for (int index = 0; index < hardware.Structure.PortCount; index++)
            Add(PortAt(index), $"PORTSC{index + 1}", new(0, Writable: IsOwn(index) ? uint.MaxValue : 0));
        _file = new(hardware.WindowLength, registers);
    }

    /// <inheritdoc/>
    public uint Ports { get; }

    /// <summary>USBCMD.</summary>
    public UsbCommand Command
    {
        get => new(new(this[EhciOperationalOffsets.UsbCommand]));
        private set => this[EhciOperationalOffsets.UsbCommand] = value.Raw.Value;
    }

    /// <summary>USBSTS.</summary>
    public UsbStatus Status
    {
        get => new(new(this[EhciOperationalOffsets.UsbStatus]));
        private set => this[EhciOperationalOffsets.UsbStatus] = value.Raw.Value;
    }

    /// <inheritdoc/>
    public bool HasDemand => Command is { Run: true } command && (command.AsyncEnable || command.PeriodicEnable || command.AsyncAdvanceDoorbell);

    /// <inheritdoc/>
    public bool NeedsController => true;

    /// <inheritdoc/>
    public bool IsClear => _overlay.Bits == 0;

    /// <inheritdoc/>
    public IControllerState Saved => _region.Read<EhciState>();

    private EhciState State
    {
        get
        {
            ulong now = _loop.NowNs;
            return new(
                this[EhciOperationalOffsets.UsbCommand],
                this[EhciOperationalOffsets.UsbStatus],
                this[EhciOperationalOffsets.InterruptEnable],
                _clock.Index(now),
                this[EhciOperationalOffsets.Segment],
                this[EhciOperationalOffsets.PeriodicListBase],
                this[EhciOperationalOffsets.AsyncListAddress],
                this[EhciOperationalOffsets.ConfigureFlag],
                _clock.IsRunning ? _clock.StartOf(_clock.Count(now)) : now);
        }
    }

    private bool IsConfigured => (this[EhciOperationalOffsets.ConfigureFlag] & 1) != 0;

    private uint this[int operational]
    {
        get => (uint)_file[_base + operational];
        set => _file[_base + operational] = value;
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, int width)
    {
        Sync();
        return _file.Read((int)offset, width);
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int width, ulong value)
    {
        Sync();
        _file.Write((int)offset, width, value, this);
        Poll();
    }

    /// <inheritdoc/>
    public ulong ReadThrough(ulong offset, int width) => _overlay.Over(offset, width, _hardware.Read(offset, width));

    /// <inheritdoc/>
    public void WriteThrough(ulong offset, int width, ulong value)
    {
        _hardware.Write(offset, width, value);
        _overlay.Written(offset, width, value);
    }

    /// <inheritdoc/>
    public void Settle(bool hasTurn)
    {
        if (hasTurn)
            _overlay.Settle();
        else
            Poll();
    }

    /// <inheritdoc/>
    public void Store() => _region.Write(State);

    // Sees what time and the ports did, and interrupts the guest where it wants to know.
    private void Poll()
    {
        Sync();
        uint active = this[EhciOperationalOffsets.UsbStatus] & this[EhciOperationalOffsets.InterruptEnable] & Causes;
        uint gained = active & ~_asserted;
        _asserted = active;
        if (gained != 0)
            _interrupt();
    }

    /// <inheritdoc/>
    public void Capture()
    {
        uint overlay = _overlay.Bits;
        ulong now = _loop.NowNs;
        foreach (int operational in (ReadOnlySpan<int>)
        [
            EhciOperationalOffsets.UsbCommand,
            EhciOperationalOffsets.InterruptEnable,
            EhciOperationalOffsets.Segment,
            EhciOperationalOffsets.PeriodicListBase,
            EhciOperationalOffsets.AsyncListAddress,
            EhciOperationalOffsets.ConfigureFlag,
        ])
        {
            this[operational] = _hardware[operational];
        }

        uint status = _hardware[EhciOperationalOffsets.UsbStatus];
        this[EhciOperationalOffsets.UsbStatus] = status | overlay;
        _hardware[EhciOperationalOffsets.UsbStatus] = status & Causes;
        _asserted = (status | overlay) & Causes & this[EhciOperationalOffsets.InterruptEnable];
        (_isAsyncWritten, _isStill, _wasRunning) = (false, false, Command.Run);

        // The clock of the last load is that of the controller, to the nanosecond, unless the guest set or stopped it.
        uint index = _hardware[EhciOperationalOffsets.FrameIndex];
        bool isRunning = !Status.Halted;
        if (_clock.IsRunning != isRunning || _clock.Index(now) != index)
        {
            _clock.Set(index);
            if (isRunning)
                _clock.Start(now);
        }

        _seen = _clock.Count(now);
    }

    /// <inheritdoc/>
    public ValueTask<bool> Save(TurnPace pace) => new(true);

    /// <inheritdoc/>
    public void Complete(bool hasFailed)
    {
        UsbCommand command = _hardware.Command;
        uint reported = _hardware[EhciOperationalOffsets.UsbStatus] & Causes;
        _asserted |= reported & _hardware[EhciOperationalOffsets.InterruptEnable];
        this[EhciOperationalOffsets.UsbStatus] |= reported;
        if (!_isAsyncWritten)
            this[EhciOperationalOffsets.AsyncListAddress] = _hardware[EhciOperationalOffsets.AsyncListAddress];
        if ((reported & new UsbStatus { AsyncAdvance = true }.Raw.Value) != 0)
            Command = Command with { AsyncAdvanceDoorbell = command.AsyncAdvanceDoorbell };
        if (hasFailed)
            Status = Status with { HostSystemError = true };
        if (hasFailed || (_wasRunning && !command.Run))
            Command = Command with { Run = false };

        _isStill = true;
        Apply();
        Poll();
    }

    /// <inheritdoc/>
    public ValueTask<bool> Prepare(TurnPace pace, bool withState, bool withClock)
    {
        Restore(_region.Read<EhciState>(), withClock);
        return new(true);
    }

    private void Restore(in EhciState state, bool withClock)
    {
        this[EhciOperationalOffsets.UsbCommand] = state.Command;
        this[EhciOperationalOffsets.UsbStatus] = state.Status;
        this[EhciOperationalOffsets.InterruptEnable] = state.InterruptEnable;
        this[EhciOperationalOffsets.Segment] = state.Segment;
        this[EhciOperationalOffsets.PeriodicListBase] = state.PeriodicListBase;
        this[EhciOperationalOffsets.AsyncListAddress] = state.AsyncListAddress;
        this[EhciOperationalOffsets.ConfigureFlag] = state.ConfigureFlag;
        _clock.Set(state.FrameIndex);
        if (!Status.Halted)
            _clock.Start(withClock ? state.MicroframeNs : _loop.NowNs);
        _seen = _clock.Count(state.MicroframeNs);
        Sync();
    }

    /// <inheritdoc/>
    public ulong ToMicroframeNs()
    {
        ulong now = _loop.NowNs;
        return _clock.IsRunning ? (_clock.StartOf(_clock.Count(now) + 1) - now) % WireTime.MicroframeNs : 0;
    }

    /// <inheritdoc/>
    public void Load()
    {
        Sync();
        _hardware.ForgetChanges((Status.Raw.Value & new UsbStatus { PortChange = true }.Raw.Value) != 0 ? Ports : 0);
        foreach (int operational in (ReadOnlySpan<int>)
        [
            EhciOperationalOffsets.Segment,
            EhciOperationalOffsets.PeriodicListBase,
            EhciOperationalOffsets.AsyncListAddress,
            EhciOperationalOffsets.ConfigureFlag,
            EhciOperationalOffsets.FrameIndex,
            EhciOperationalOffsets.InterruptEnable,
        ])
        {
            _hardware[operational] = this[operational];
        }

        _hardware[EhciOperationalOffsets.UsbCommand] = this[EhciOperationalOffsets.UsbCommand];
        _overlay.Bits = this[EhciOperationalOffsets.UsbStatus] & (Causes | new UsbStatus { AsyncActive = true, PeriodicActive = true }.Raw.Value);
    }

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        int operational = write.Offset - _base;
        switch (operational)
        {
            case EhciOperationalOffsets.UsbCommand:
                CommandWritten(new(new((uint)write.Before)), new(new((uint)write.After)));
                break;
            case EhciOperationalOffsets.UsbStatus when new UsbStatus(new((uint)write.Written)).PortChange:
                _hardware.ForgetChanges(Ports);
                break;
            case EhciOperationalOffsets.FrameIndex when !_clock.IsRunning:
                // Writable only while halted; while running, the next look at it shows the time again.
                _clock.Set((uint)write.After);
                _seen = write.After;
                break;
            case EhciOperationalOffsets.AsyncListAddress:
                _isAsyncWritten = true;
                break;
            case EhciOperationalOffsets.ConfigureFlag when write.Before != write.After:
                foreach (int index in OwnPorts())
                    _hardware.WritePort(index, (WithoutChanges(_hardware.Port(index)) with { Owner = !IsConfigured }).Raw.Value);
                break;
            case >= EhciOperationalOffsets.FirstPort when IsOwn((operational - EhciOperationalOffsets.FirstPort) / Doubleword):
                // A change bit is cleared by a one, which must come from the guest.
                uint changes = (uint)(write.Written & ChangeBits.Raw.Value);
                PortStatusControl value = WithoutChanges(new(new((uint)write.After)));
                _hardware.WritePort((operational - EhciOperationalOffsets.FirstPort) / Doubleword, value.Raw.Value | changes);
                break;
            default:
                break;
        }
    }

    private static PortStatusControl ChangeBits => new() { ConnectChange = true, EnableChange = true, OverCurrentChange = true };

    private static PortStatusControl WithoutChanges(PortStatusControl value) =>
        value with { ConnectChange = false, EnableChange = false, OverCurrentChange = false };

    private static int PortAt(int index) => EhciOperationalOffsets.FirstPort + (Doubleword * index);

    private bool IsOwn(int index) => (Ports >> index & 1) != 0;

    private IEnumerable<int> OwnPorts() => Enumerable.Range(0, _hardware.Structure.PortCount).Where(IsOwn);

    private void CommandWritten(UsbCommand before, UsbCommand after)
    {
        // Software sets the doorbell, hardware alone clears it.
        Command = after with { AsyncAdvanceDoorbell = before.AsyncAdvanceDoorbell || after.AsyncAdvanceDoorbell };
        if (_isStill)
            Apply();
    }

    // What the command asks for is so, where the controller stands still.
    private void Apply()
    {
        UsbCommand command = Command;
        if (command.Reset)
        {
            _file.Reset();
            _hardware.ResetPorts(Ports);
            _clock.Set(0);
            (_asserted, _seen) = (0, 0);
            return;
        }

        if (!command.Run)
        {
            _clock.Stop(_loop.NowNs);
            Status = Status with { Halted = true, AsyncActive = false, PeriodicActive = false };
            return;
        }

        if (Status.Halted)
            _clock.Start(_loop.NowNs);
        Status = Status with { Halted = false, AsyncActive = command.AsyncEnable, PeriodicActive = command.PeriodicEnable };
    }

    // Brings what follows from time and from the ports into the registers.
    private void Sync()
    {
        ulong count = _clock.Count(_loop.NowNs);
        int rollover = 13 - (int)Math.Min((uint)Command.FrameListSize, 2);
        if (count >> rollover != _seen >> rollover)
            Status = Status with { FrameListRollover = true };
        _seen = count;
        this[EhciOperationalOffsets.FrameIndex] = FrameClock.IndexOf(count);
        if ((_hardware.Changed & Ports) != 0)
            Status = Status with { PortChange = true };
        for (int index = 0; index < _hardware.Structure.PortCount; index++)
        {
            PortStatusControl shown = IsOwn(index)
                ? _hardware.Port(index)
                : new() { Power = !_hardware.Structure.PortPowerControl, Owner = !IsConfigured };
            this[PortAt(index)] = shown.Raw.Value;
        }
    }
}
