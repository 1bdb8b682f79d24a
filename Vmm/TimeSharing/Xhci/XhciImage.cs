using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of an xHCI controller as a VM sees them that does not have it at the moment.</summary>
/// <remarks>
/// An image, as <see cref="EhciImage"/> is: what is written is read back at once and takes effect with the next turn. Doorbells wait. What the controller alone
/// knows, it saves by itself, and takes back before the registers are written that the VM changed meanwhile. A controller that the VM has
/// halted does nothing, which the image does as well: it needs no turn, and its memory, which a driver frees then, is not touched.
/// </remarks>
internal sealed class XhciImage : ITurnImage, IRegisterEffects
{
    private const int Wide = sizeof(ulong);
    private const ulong ModerationUnitNs = 250;

    // Of PORTSC, what a write of other bytes keeps as it is: power, indicator and wake bits. Ones written to all others do something.
    private const uint PortKeptBits = 0x0E00_C200;

    private readonly GatedXhci _hardware;
    private readonly EventLoop _loop;
    private readonly StateRegion _region;
    private readonly RegisterFile _file;
    private readonly WaitingDoorbells _doorbells;
    private readonly FrameClock _clock = new();
    private readonly int _base;
    private readonly int _legacy;
    private readonly ulong[] _moderatedNs;

    // A bit for each interrupter: its event ring begins anew; it was busy, or pending, when the turn ended.
    private uint _ringsBegun;
    private uint _wasBusy;
    private uint _wasPending;
    private uint _wasLatched;
    private bool _isCommandRingWritten;
    private bool _hasWork;
    private bool _hasSaved;

    // False while the controller is still coming to a stop: until then nothing that the guest stops has stopped.
    private bool _isStill = true;

    /// <summary>The registers after a reset.</summary>
    /// <param name="hardware">The controller.</param>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="ports">The root ports of the VM, a bit for each.</param>
    /// <param name="region">Where they are kept.</param>
    public XhciImage(GatedXhci hardware, EventLoop loop, uint ports, StateRegion region)
    {
        (_hardware, _loop, Ports, _region, _base) = (hardware, loop, ports, region, hardware.OperationalBase);
        _file = XhciImageRegisters.Create(hardware, ports);
        _legacy = _file.Registers.FirstOrDefault(static register => register.Name == "USBLEGSUP").Offset;
        _doorbells = new(hardware.Structure.SlotCount);
        _moderatedNs = new ulong[hardware.Structure.InterrupterCount];
    }

    /// <inheritdoc/>
    public uint Ports { get; }

    /// <inheritdoc/>
    public bool NeedsController => Command is { Run: true } or { SaveState: true } or { RestoreState: true };

    /// <inheritdoc/>
    public bool HasDemand => NeedsController && (!Command.Run || _hasWork || _doorbells.Any || _isCommandRingWritten || _ringsBegun != 0 || _wasPending != 0
        || (_hardware.Waiting & Ports) != 0);

    /// <inheritdoc/>
    public bool IsClear => true;

    /// <inheritdoc/>
    public IControllerState Saved => _region.Read<XhciState>();

    private XhciCommand Command
    {
        get => new(new((uint)_file[_base + XhciOperationalOffsets.Command]));
        set => _file[_base + XhciOperationalOffsets.Command] = value.Raw.Value;
    }

    private XhciStatus Status
    {
        get => new(new((uint)_file[_base + XhciOperationalOffsets.Status]));
        set => _file[_base + XhciOperationalOffsets.Status] = value.Raw.Value;
    }

    private static uint LatchedBits => new XhciStatus { HostSystemError = true, EventInterrupt = true, PortChange = true, SaveRestoreError = true, ControllerError = true }.Raw.Value;

    private XhciPortStatusControl EmptyPort => _hardware.Capabilities.PortPowerControl
        ? new() { LinkState = PortLinkState.Disabled }
        : new() { Power = true, LinkState = PortLinkState.RxDetect };

    private int InterrupterCount => _moderatedNs.Length;

    private bool HasFailed => Status is { HostSystemError: true } or { ControllerError: true };

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
        int bells = (int)offset - _hardware.DoorbellBase;
        if (bells < 0 || bells >= sizeof(uint) * (_hardware.Structure.SlotCount + 1))
            _file.Write((int)offset, width, value, this);
        else if (Command.Run && width >= sizeof(uint) && bells % sizeof(uint) == 0)
            _doorbells.Ring(bells / sizeof(uint), new(new((uint)value)));
    }

    /// <inheritdoc/>
    public ulong ReadThrough(ulong offset, int width) => _hardware.IsHosts(offset, width) ? 0 : _hardware.Read(offset, width);

    /// <inheritdoc/>
    public void WriteThrough(ulong offset, int width, ulong value)
    {
        if (!_hardware.IsHosts(offset, width))
            _hardware.Write(offset, width, value);
    }

    /// <inheritdoc/>
    public void Settle(bool hasTurn)
    {
        if (!hasTurn)
            Sync();
    }

    /// <inheritdoc/>
    public void Store()
    {
        ulong now = _loop.NowNs;
        XhciState.InterrupterList interrupters = default;
        for (int index = 0; index < InterrupterCount; index++)
        {
            int at = _hardware.InterrupterAt(index);
            interrupters[index] = new(
                (uint)_file[at + XhciRuntimeOffsets.Management],
                (uint)_file[at + XhciRuntimeOffsets.Moderation],
                (uint)_file[at + XhciRuntimeOffsets.TableSize],
                0,
                _file[at + XhciRuntimeOffsets.TableBase],
                _file[at + XhciRuntimeOffsets.Dequeue]);
        }

        _region.Write(new XhciState(
            Command.Raw.Value,
            Status.Raw.Value,
            (uint)_file[_base + XhciOperationalOffsets.NotificationControl],
            (uint)_file[_base + XhciOperationalOffsets.Configure],
            _file[_base + XhciOperationalOffsets.CommandRing],
            _file[_base + XhciOperationalOffsets.ContextArray],
            _legacy == 0 ? 0 : (uint)_file[_legacy],
            _legacy == 0 ? 0 : (uint)_file[_legacy + sizeof(uint)],
            _clock.Index(now),
            _hasSaved ? 1u : 0,
            _clock.IsRunning ? _clock.StartOf(_clock.Count(now)) : now,
            interrupters));
    }

    /// <inheritdoc/>
    public void Capture()
    {
        _hasWork = _hardware.HasWork;
        XhciStatus status = _hardware.Status;
        _wasLatched = status.Raw.Value & LatchedBits;
        (_isStill, _isCommandRingWritten, _ringsBegun, _wasBusy, _wasPending) = (false, false, 0, 0, 0);
        foreach (Register register in _file.Registers)
        {
            if (IsKept(register.Offset))
                _file[register.Offset] = _hardware.Read((ulong)register.Offset, register.Width);
        }

        Status = status with { Saving = false, Restoring = false };
        for (int index = 0; index < InterrupterCount; index++)
        {
            int at = _hardware.InterrupterAt(index);
            _moderatedNs[index] = _loop.NowNs;
            _wasBusy |= new EventRingDequeue(new(_file[at + XhciRuntimeOffsets.Dequeue])).Busy ? 1u << index : 0;
            _wasPending |= new InterrupterManagement(new((uint)_file[at + XhciRuntimeOffsets.Management])).Pending ? 1u << index : 0;
        }

        Follow((uint)_hardware.Read((ulong)(_hardware.RuntimeBase + XhciRuntimeOffsets.MicroframeIndex), sizeof(uint)), !status.Halted);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Save(TurnPace pace)
    {
        XhciStatus status = _hardware.Status;
        bool hasFailed = HasFailed || status is { HostSystemError: true } or { ControllerError: true };
        _hasSaved = !hasFailed && await _hardware.Move(pace, saves: true);
        return _hasSaved || hasFailed;
    }

    /// <inheritdoc/>
    public void Complete(bool hasFailed)
    {
        XhciStatus latched = new(new(_hardware.Status.Raw.Value & LatchedBits & ~_wasLatched));
        Status = new(new(Status.Raw.Value | (latched with { SaveRestoreError = false }).Raw.Value));
        _hasWork |= _hardware.HasWork;
        for (int index = 0; index < InterrupterCount; index++)
        {
            int at = _hardware.InterrupterAt(index);
            bool isBusy = new EventRingDequeue(new(_hardware.Read((ulong)(at + XhciRuntimeOffsets.Dequeue), Wide))).Busy;
            bool isPending = new InterrupterManagement(new(_hardware[at + XhciRuntimeOffsets.Management])).Pending;
            EventRingDequeue dequeue = new(new(_file[at + XhciRuntimeOffsets.Dequeue]));
            InterrupterManagement management = new(new((uint)_file[at + XhciRuntimeOffsets.Management]));

            // What was so already when the turn ended, the guest may have acknowledged since.
            if (isBusy && (_wasBusy >> index & 1) == 0)
                _file[at + XhciRuntimeOffsets.Dequeue] = (dequeue with { Busy = true }).Raw.Value;
            if (isPending && (_wasPending >> index & 1) == 0)
                _file[at + XhciRuntimeOffsets.Management] = (management with { Pending = true }).Raw.Value;
            _wasPending |= isPending ? 1u << index : 0;
        }

        _isStill = true;
        if (hasFailed)
            Fail();
        else
            Apply();
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Prepare(TurnPace pace, bool withState, bool withClock)
    {
        Restore(_region.Read<XhciState>(), withClock);
        if (!_hasSaved || !withState)
        {
            _ringsBegun |= (1u << InterrupterCount) - 1;
            return true;
        }

        // Event rings first: the place on one comes back where it is the ring of then.
        for (int index = 0; index < InterrupterCount; index++)
        {
            if ((_ringsBegun >> index & 1) == 0)
                Begin(index);
        }

        if (await _hardware.Move(pace, saves: false))
            return true;
        Fail();
        Store();
        return false;
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
        int at = _base + XhciOperationalOffsets.ContextArray;
        _hardware.WriteWide(at, _file[at]);
        foreach (int operational in (ReadOnlySpan<int>)[XhciOperationalOffsets.NotificationControl, XhciOperationalOffsets.Configure])
            _hardware[_base + operational] = (uint)_file[_base + operational];
        if (_legacy != 0)
            LoadLegacy();
        if (_isCommandRingWritten)
            _hardware.WriteWide(_base + XhciOperationalOffsets.CommandRing, _file[_base + XhciOperationalOffsets.CommandRing]);
        for (int index = 0; index < InterrupterCount; index++)
            LoadInterrupter(index);

        // What is latched came back with the state; the guest may have acknowledged some of it.
        XhciStatus shown = new(new(_hardware.Status.Raw.Value & LatchedBits & ~Status.Raw.Value));
        _hardware.Status = shown;
        _hardware.SetIndex(_clock.Index(_loop.NowNs));
        _hardware.Command = Command;
        if (Command.Run)
            _doorbells.RingAll((slot, doorbell) => _hardware[_hardware.DoorbellBase + (sizeof(uint) * slot)] = doorbell.Raw.Value);
        (_ringsBegun, _isCommandRingWritten) = (0, false);
    }

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        int operational = write.Offset - _base;
        if (_legacy != 0 && write.Offset == _legacy && write.Before != write.After)
        {
            XhciLegacyControl control = new(new((uint)_file[_legacy + sizeof(uint)]));
            _file[_legacy + sizeof(uint)] = (control with { Ownership = true }).Raw.Value;
        }

        switch (operational)
        {
            case XhciOperationalOffsets.Command:
                if (_isStill)
                    Apply();
                break;
            case XhciOperationalOffsets.Status when Status.Halted && new XhciStatus(new((uint)write.Written)).PortChange:
                _hardware.ForgetChanges(Ports);
                break;
            case XhciOperationalOffsets.CommandRing:
                CommandRingWritten(write);
                break;
            case >= XhciOperationalOffsets.FirstPort when operational < XhciOperationalOffsets.FirstPort + (XhciOperationalOffsets.PortStride * _hardware.PortCount):
                PortWritten(operational - XhciOperationalOffsets.FirstPort, write);
                break;
            default:
                if (write.Offset >= _hardware.InterrupterAt(0) && write.Offset < _hardware.InterrupterAt(InterrupterCount))
                    InterrupterWritten(write);
                break;
        }
    }

    private bool IsKept(int offset) =>
        offset >= _base && (offset < _base + XhciOperationalOffsets.FirstPort || offset >= _hardware.InterrupterAt(0) || (_legacy != 0 && (offset == _legacy || offset == _legacy + sizeof(uint))));

    // The pointer is the controller's while the ring runs: only the wish to stop is heard, and that at the next turn.
    private void CommandRingWritten(in RegisterWrite write)
    {
        CommandRingControl before = new(new(write.Before));
        CommandRingControl after = new(new(write.After));
        if (before.Running)
            _file[write.Offset] = (before with { Stop = before.Stop || after.Stop, Abort = before.Abort || after.Abort }).Raw.Value;
        _isCommandRingWritten |= !before.Running || after.Stop || after.Abort;
    }

    // A change bit is cleared, and a strobe acts, by a one, which must come from the guest.
    private void PortWritten(int offset, in RegisterWrite write)
    {
        (int index, int register) = Math.DivRem(offset, XhciOperationalOffsets.PortStride);
        if ((Ports >> index & 1) == 0)
            return;
        uint kept = (uint)(write.Before & ~write.EnabledBytes) & (register == XhciOperationalOffsets.PortStatus ? PortKeptBits : uint.MaxValue);
        _hardware.WritePort(index, register, kept | (uint)write.Written);
    }

    private void InterrupterWritten(in RegisterWrite write)
    {
        (int index, int register) = Math.DivRem(write.Offset - _hardware.InterrupterAt(0), XhciRuntimeOffsets.InterrupterStride);
        if (register == XhciRuntimeOffsets.TableBase && write.EnabledBytes >> 32 != 0)
            _ringsBegun |= 1u << index;
        else if (register == XhciRuntimeOffsets.Moderation)
            _moderatedNs[index] = _loop.NowNs;
        else if (register == XhciRuntimeOffsets.Management && !new InterrupterManagement(new((uint)write.After)).Pending)
            _wasPending &= ~(1u << index);
    }

    // What the command asks for is so, where the controller stands still.
    private void Apply()
    {
        XhciCommand command = Command;
        if (command.Reset || command.LightReset)
        {
            ResetAll(keepsPorts: !command.Reset);
            return;
        }

        if (HasFailed)
            Command = command = command with { Run = false };
        bool moves = !command.Run && !HasFailed && (command.SaveState || command.RestoreState);
        Command = command with { SaveState = moves && command.SaveState, RestoreState = moves && command.RestoreState };
        Status = Status with { Saving = moves && command.SaveState, Restoring = moves && command.RestoreState };
        if (!command.Run)
        {
            _clock.Stop(_loop.NowNs);
            _doorbells.ForgetCommands();
            CommandRingControl ring = new(new(_file[_base + XhciOperationalOffsets.CommandRing]));
            _file[_base + XhciOperationalOffsets.CommandRing] = (ring with { Running = false }).Raw.Value;
            Status = Status with { Halted = true };
            return;
        }

        if (!Status.Halted)
            return;
        _clock.Start(_loop.NowNs);
        Status = Status with { Halted = false };
        _hardware.ReportChanges(Ports);
    }

    // Firmware's and the system's ownership stays as it is.
    private void ResetAll(bool keepsPorts)
    {
        (ulong support, ulong control) = _legacy == 0 ? (0, 0) : (_file[_legacy], _file[_legacy + sizeof(uint)]);
        _file.Reset();
        if (_legacy != 0)
            (_file[_legacy], _file[_legacy + sizeof(uint)]) = (support, control);
        if (!keepsPorts)
            _hardware.ResetPorts(Ports);
        _clock.Set(0);
        _doorbells.Clear();
        (_ringsBegun, _isCommandRingWritten, _hasWork, _hasSaved, _wasPending) = (0, false, false, false, 0);
    }

    // Only a reset helps, and what the controller knew of devices is gone.
    private void Fail()
    {
        Status = Status with { HostSystemError = true };
        (_hasSaved, _hasWork) = (false, false);
        Apply();
    }

    private void Restore(in XhciState state, bool withClock)
    {
        _clock.Set(state.FrameIndex);
        if (!Status.Halted)
            _clock.Start(withClock ? state.MicroframeNs : _loop.NowNs);
        _file[_base + XhciOperationalOffsets.Command] = state.Command;
        _file[_base + XhciOperationalOffsets.Status] = state.Status;
        _file[_base + XhciOperationalOffsets.NotificationControl] = state.NotificationControl;
        _file[_base + XhciOperationalOffsets.Configure] = state.Configure;
        _file[_base + XhciOperationalOffsets.CommandRing] = state.CommandRing;
        _file[_base + XhciOperationalOffsets.ContextArray] = state.ContextArray;
        if (_legacy != 0)
            (_file[_legacy], _file[_legacy + sizeof(uint)]) = (state.LegacySupport, state.LegacyControl);
        for (int index = 0; index < InterrupterCount; index++)
        {
            int at = _hardware.InterrupterAt(index);
            XhciState.Interrupter interrupter = state.Interrupters[index];
            _file[at + XhciRuntimeOffsets.Management] = interrupter.Management;
            _file[at + XhciRuntimeOffsets.Moderation] = interrupter.Moderation;
            _file[at + XhciRuntimeOffsets.TableSize] = interrupter.TableSize;
            _file[at + XhciRuntimeOffsets.TableBase] = interrupter.TableBase;
            _file[at + XhciRuntimeOffsets.Dequeue] = interrupter.Dequeue;
        }
    }

    // The frame index of the last load is that of the controller, to the nanosecond, unless the guest set or stopped it.
    private void Follow(uint index, bool isRunning)
    {
        ulong now = _loop.NowNs;
        if (_clock.IsRunning == isRunning && _clock.Index(now) == index)
            return;
        _clock.Set(index);
        if (isRunning)
            _clock.Start(now);
    }

    private void Begin(int index)
    {
        int at = _hardware.InterrupterAt(index);
        EventRingDequeue dequeue = new(new(_file[at + XhciRuntimeOffsets.Dequeue]));
        _hardware[at + XhciRuntimeOffsets.TableSize] = (uint)_file[at + XhciRuntimeOffsets.TableSize];
        _hardware.WriteWide(at + XhciRuntimeOffsets.Dequeue, (dequeue with { Busy = false }).Raw.Value);
        if (_file[at + XhciRuntimeOffsets.TableBase] != 0)
            _hardware.WriteWide(at + XhciRuntimeOffsets.TableBase, _file[at + XhciRuntimeOffsets.TableBase]);
    }

    private void LoadInterrupter(int index)
    {
        int at = _hardware.InterrupterAt(index);
        if ((_ringsBegun >> index & 1) != 0)
            Begin(index);

        // Ones clear what the guest has acknowledged.
        EventRingDequeue dequeue = new(new(_file[at + XhciRuntimeOffsets.Dequeue]));
        InterrupterManagement management = new(new((uint)_file[at + XhciRuntimeOffsets.Management]));
        InterrupterModeration moderation = new(new((uint)_file[at + XhciRuntimeOffsets.Moderation]));
        ulong left = (ulong)moderation.Counter - Math.Min((ulong)moderation.Counter, (_loop.NowNs - _moderatedNs[index]) / ModerationUnitNs);
        _hardware.WriteWide(at + XhciRuntimeOffsets.Dequeue, (dequeue with { Busy = !dequeue.Busy }).Raw.Value);
        _hardware[at + XhciRuntimeOffsets.Moderation] = (moderation with { Counter = (int)left }).Raw.Value;
        _hardware[at + XhciRuntimeOffsets.Management] = (management with { Pending = !management.Pending }).Raw.Value;
    }

    private void LoadLegacy()
    {
        _hardware[_legacy] = (uint)_file[_legacy];
        uint shown = _hardware[_legacy + sizeof(uint)];
        uint control = (uint)_file[_legacy + sizeof(uint)];
        XhciLegacyControl changes = new() { Ownership = true, Command = true, Bar = true };
        _hardware[_legacy + sizeof(uint)] = (control & ~changes.Raw.Value) | (shown & ~control & changes.Raw.Value);
    }

    // Brings what follows from time and from the ports into the registers.
    private void Sync()
    {
        _file[_hardware.RuntimeBase + XhciRuntimeOffsets.MicroframeIndex] = _clock.Index(_loop.NowNs);
        if (Status.Halted && (_hardware.Changed & Ports) != 0)
            Status = Status with { PortChange = true };
        for (int index = 0; index < _hardware.PortCount; index++)
        {
            int at = _base + XhciOperationalOffsets.FirstPort + (index * XhciOperationalOffsets.PortStride);
            bool isOwn = (Ports >> index & 1) != 0;
            _file[at + XhciOperationalOffsets.PortStatus] = isOwn ? _hardware.Port(index, XhciOperationalOffsets.PortStatus) : EmptyPort.Raw.Value;
            _file[at + XhciOperationalOffsets.PortPower] = isOwn ? _hardware.Port(index, XhciOperationalOffsets.PortPower) : 0;
        }
    }
}
