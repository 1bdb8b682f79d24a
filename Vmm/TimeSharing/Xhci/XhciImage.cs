using Dma.Machine;
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
    // Of PORTSC, what a write of other bytes keeps as it is: power, indicator and wake bits. Ones written to all others do something.
    private const uint PortKeptBits = 0x0E00_C200;

    private readonly GatedXhci _hardware;
    private readonly EventLoop _loop;
    private readonly StateRegion _region;
    private readonly RegisterFile _file;
    private readonly WaitingDoorbells _doorbells;
    private readonly XhciImageClock _clock = new();
    private readonly int _base;
    private readonly XhciLegacyImage _legacy;
    private readonly XhciInterrupterImage[] _interrupters;

    // Bits of USBSTS that were set when the turn ended.
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
        _legacy = new(hardware, _file);
        _doorbells = new(hardware.Structure.SlotCount);
        _interrupters = [.. Enumerable.Range(0, hardware.Structure.InterrupterCount).Select(index => new XhciInterrupterImage(hardware, _file, index))];
    }

    /// <inheritdoc/>
    public uint Ports { get; }

    /// <inheritdoc/>
    public bool NeedsController => Command is { Run: true } or { SaveState: true } or { RestoreState: true };

    /// <inheritdoc/>
    public bool HasDemand => NeedsController && (!Command.Run || _hasWork || _doorbells.Any || _isCommandRingWritten || _clock.Wraps != 0
        || Array.Exists(_interrupters, static interrupter => interrupter.IsBegun || interrupter.IsPending) || (_hardware.Waiting & Ports) != 0);

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
        CountWraps();
        int bells = (int)offset - _hardware.DoorbellBase;
        if (bells < 0 || bells >= sizeof(uint) * (_hardware.Structure.SlotCount + 1))
            _file.Write((int)offset, width, value, this);
        else if (Command.Run && bells % sizeof(uint) == 0)
            Ring(bells / sizeof(uint), width, value);
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
        CountWraps();
        XhciState.InterrupterList interrupters = default;
        for (int index = 0; index < _interrupters.Length; index++)
            interrupters[index] = _interrupters[index].State;
        _region.Write(new XhciState(
            Command.Raw.Value,
            Status.Raw.Value,
            (uint)_file[_base + XhciOperationalOffsets.NotificationControl],
            (uint)_file[_base + XhciOperationalOffsets.Configure],
            _file[_base + XhciOperationalOffsets.CommandRing],
            _file[_base + XhciOperationalOffsets.ContextArray],
            _legacy.Value.Support,
            _legacy.Value.Control,
            _clock.Index(now),
            _hasSaved ? 1u : 0,
            _clock.MicroframeNs(now),
            interrupters));
    }

    /// <inheritdoc/>
    public void Capture()
    {
        _hasWork = _hardware.HasWork;
        XhciStatus status = _hardware.Status;
        _wasLatched = status.Raw.Value & LatchedBits;
        (_isStill, _isCommandRingWritten) = (false, false);
        foreach (Register register in _file.Registers)
        {
            if (IsKept(register.Offset))
                _file[register.Offset] = _hardware.Read((ulong)register.Offset, register.Width);
        }

        foreach (XhciInterrupterImage interrupter in _interrupters)
            interrupter.Captured(_loop.NowNs);
        _clock.Follow((uint)_hardware.Read((ulong)(_hardware.RuntimeBase + XhciRuntimeOffsets.MicroframeIndex), sizeof(uint)), !status.Halted, _loop.NowNs);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Save(TurnPace pace)
    {
        // What the guest itself had saved or restored is over; that it went wrong is the guest's to know.
        XhciStatus status = _hardware.Status;
        Status = Status with { SaveRestoreError = Status.SaveRestoreError || (status.SaveRestoreError && !new XhciStatus(new(_wasLatched)).SaveRestoreError) };
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
        foreach (XhciInterrupterImage interrupter in _interrupters)
            interrupter.Complete();
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
        bool takesBack = _hasSaved && withState;

        // Event rings first: the place on one comes back where it is the ring of then.
        foreach (XhciInterrupterImage interrupter in _interrupters)
        {
            if (!takesBack)
                interrupter.IsBegun = true;
            else if (!interrupter.IsBegun)
                interrupter.Begin();
        }

        if (!takesBack)
            return true;
        if (await _hardware.Move(pace, saves: false))
            return true;
        Fail();
        Store();
        return false;
    }

    /// <inheritdoc/>
    public ulong ToMicroframeNs() => _clock.ToMicroframeNs(_loop.NowNs);

    /// <inheritdoc/>
    public void Load()
    {
        Sync();

        // The guest has reset it since it took its state back.
        if (!_hasSaved)
            _hardware.Command = new() { Reset = true };
        int at = _base + XhciOperationalOffsets.ContextArray;
        _hardware.WriteWide(at, _file[at]);
        foreach (int operational in (ReadOnlySpan<int>)[XhciOperationalOffsets.NotificationControl, XhciOperationalOffsets.Configure])
            _hardware[_base + operational] = (uint)_file[_base + operational];
        _legacy.Load();
        if (_isCommandRingWritten)
            _hardware.WriteWide(_base + XhciOperationalOffsets.CommandRing, _file[_base + XhciOperationalOffsets.CommandRing]);
        foreach (XhciInterrupterImage interrupter in _interrupters)
            interrupter.Load(_loop.NowNs);

        // What is latched came back with the state; the guest may have acknowledged some of it.
        XhciStatus shown = new(new(_hardware.Status.Raw.Value & LatchedBits & ~Status.Raw.Value));
        _hardware.Status = shown;
        CountWraps();
        _hardware.SetIndex(_clock.Index(_loop.NowNs), _clock.TakeWraps());
        _hardware.Command = Command;
        if (Command.Run)
            _doorbells.RingAll((slot, doorbell) => _hardware[_hardware.DoorbellBase + (sizeof(uint) * slot)] = doorbell.Raw.Value);
        _isCommandRingWritten = false;
    }

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        int operational = write.Offset - _base;
        _legacy.Written(write);
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
                int interrupter = (write.Offset - _hardware.InterrupterAt(0)) / XhciRuntimeOffsets.InterrupterStride;
                if (write.Offset >= _hardware.InterrupterAt(0))
                    _interrupters[interrupter].Written(write, _loop.NowNs);
                break;
        }
    }

    private void Ring(int slot, int width, ulong value)
    {
        for (int done = 0; done + sizeof(uint) <= width; done += sizeof(uint))
            _doorbells.Ring(slot++, new(new((uint)(value >> (8 * done)))));
    }

    private bool IsKept(int offset) =>
        (offset >= _base && offset < _base + XhciOperationalOffsets.FirstPort) || offset >= _hardware.InterrupterAt(0) || _legacy.Has(offset);

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

    private void ResetAll(bool keepsPorts)
    {
        (uint, uint) owner = _legacy.Value;
        _file.Reset();
        _legacy.Value = owner;
        if (!keepsPorts)
            _hardware.ResetPorts(Ports);
        _clock.Reset();
        _doorbells.Clear();
        (_isCommandRingWritten, _hasWork, _hasSaved) = (false, false, false);
        foreach (XhciInterrupterImage interrupter in _interrupters)
            interrupter.Captured(_loop.NowNs);
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
        _clock.Restore(state.FrameIndex, Status.Halted ? null : withClock ? state.MicroframeNs : _loop.NowNs);
        _file[_base + XhciOperationalOffsets.Command] = state.Command;
        _file[_base + XhciOperationalOffsets.Status] = state.Status;
        _file[_base + XhciOperationalOffsets.NotificationControl] = state.NotificationControl;
        _file[_base + XhciOperationalOffsets.Configure] = state.Configure;
        _file[_base + XhciOperationalOffsets.CommandRing] = state.CommandRing;
        _file[_base + XhciOperationalOffsets.ContextArray] = state.ContextArray;
        _legacy.Value = (state.LegacySupport, state.LegacyControl);
        for (int index = 0; index < _interrupters.Length; index++)
            _interrupters[index].State = state.Interrupters[index];
    }

    private void CountWraps() => _clock.CountWraps(_loop.NowNs, Command.WrapEventEnable);

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
