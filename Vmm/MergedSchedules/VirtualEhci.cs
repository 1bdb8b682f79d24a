using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of the controller that a VM sees: each access is an exit, and what asks for work on the bus is done by the VMM.</summary>
/// <remarks>
/// Where isochronous structures are copied before a frame begins, it says that it reads a whole frame of them ahead. Its frame index
/// goes with that of the bus, and has a frame of its own.
/// </remarks>
internal sealed class VirtualEhci : IRegisterEffects, IEhciInterrupt
{
    private readonly MergedGuest _guest;
    private readonly MergedEhci _hardware;
    private readonly EventLoop _loop;
    private readonly EhciRegisters _registers;
    private readonly ThresholdInterrupt _interrupt;
    private readonly ScheduledEvent _timer;
    private readonly Action _changed;
    private ulong _seen;
    private ulong _plannedNs = ulong.MaxValue;

    /// <summary>A controller after its reset.</summary>
    /// <param name="guest">The VM.</param>
    /// <param name="hardware">The real controller.</param>
    /// <param name="ports">Root ports of the VM, a bit for each.</param>
    /// <param name="readsAhead">Whether it reads a whole frame of isochronous structures ahead; else as far as the real controller.</param>
    /// <param name="changed">Told when there is something to do.</param>
    public VirtualEhci(MergedGuest guest, MergedEhci hardware, uint ports, bool readsAhead, Action changed)
    {
        (_guest, _hardware, _loop, _changed) = (guest, hardware, guest.Machine.Host.Loop, changed);
        Is64Bit = hardware.Capabilities.Addresses64Bit;
        _registers = new(new() { PortCount = hardware.Structure.PortCount, Addresses64Bit = Is64Bit, AsyncPark = false, CachesWholeFrame = readsAhead || hardware.Capabilities.CachesWholeFrame });
        _interrupt = new(_registers, Clock, _loop, this);
        _timer = new(Settle);
        Ports = new(guest, hardware, _registers, ports, RaisePortChange);
        Ports.Reset();
    }

    /// <summary>Its root ports.</summary>
    public VirtualPorts Ports { get; }

    /// <summary>Whether structures have upper address doublewords.</summary>
    public bool Is64Bit { get; }

    /// <summary>Its microframes.</summary>
    public FrameClock Clock { get; } = new();

    /// <summary>Whether it met an error of the host system, and was not reset since.</summary>
    public bool IsDead { get; private set; }

    /// <summary>USBCMD.</summary>
    public UsbCommand Command => _registers.UsbCommand;

    /// <summary>USBSTS.</summary>
    public UsbStatus Status => _registers.UsbStatus;

    /// <summary>Whether its asynchronous list is to run.</summary>
    public bool WantsAsync => IsUp && Command.AsyncEnable;

    /// <summary>Whether its periodic list is to run.</summary>
    public bool WantsPeriodic => IsUp && Command.PeriodicEnable && Clock.IsRunning;

    /// <summary>Whether it is to run.</summary>
    public bool IsUp => !IsDead && Command is { Run: true, Reset: false };

    /// <summary>Whether its doorbell is rung.</summary>
    public bool IsRinging => Command.AsyncAdvanceDoorbell;

    /// <summary>Bits 63:32 of the addresses of all structures.</summary>
    public ulong Segment => _registers.File[EhciRegisters.Segment] << 32;

    /// <summary>Where its frame list begins.</summary>
    public ulong FrameList => Segment | _registers.File[EhciRegisters.PeriodicListBase];

    /// <summary>Elements of its frame list.</summary>
    public int FrameListLength => 1 << (_registers.RolloverBit - 3);

    /// <summary>Where its asynchronous list goes on.</summary>
    public uint AsyncListAddress
    {
        get => (uint)_registers.File[EhciRegisters.AsyncListAddress];
        set => _registers.File[EhciRegisters.AsyncListAddress] = value;
    }

    /// <summary>All registers, as the VM would find them: name and value.</summary>
    public IReadOnlyList<(string Name, uint Value)> Registers
    {
        get
        {
            Sync();
            return [.. _registers.File.Registers.Where(register => register.Offset >= EhciRegisters.OperationalBase)
                .Select(register => (register.Name, (uint)_registers.File[register.Offset]))];
        }
    }

    /// <summary>The name of the register at an offset, or the offset where there is none.</summary>
    public string NameOf(int offset)
    {
        foreach (Register register in _registers.File.Registers)
        {
            if (register.Offset <= offset && offset < register.Offset + register.Width)
                return register.Name;
        }

        return $"{offset:X}h";
    }

    /// <summary>A read of the guest.</summary>
    public ulong Read(int offset, int width)
    {
        _guest.Statistics.RegisterReads++;
        Sync();
        if (offset + width > EhciRegisters.FirstPort)
            Ports.Refresh();
        ulong value = _registers.File.Read(offset, width);
        _guest.Trap(offset, isWrite: false, value);
        return value;
    }

    /// <summary>A write of the guest.</summary>
    public void Write(int offset, int width, ulong value)
    {
        _guest.Statistics.RegisterWrites++;
        _guest.Trap(offset, isWrite: true, value);
        Sync();
        if (offset + width > EhciRegisters.FirstPort)
            Ports.Refresh();
        _registers.File.Write(offset, width, value, this);
        Settle();
        _changed();
    }

    /// <summary>HCRESET, as software would do it.</summary>
    public void ResetController() => Write(EhciRegisters.Command, sizeof(uint), new UsbCommand { Reset = true }.Raw.Value);

    /// <summary>A transfer ended, and what it left is in memory of the guest.</summary>
    /// <param name="isDone">Whether it shall interrupt as one that is done.</param>
    /// <param name="isError">Whether it ended in an error.</param>
    public void Post(bool isDone, bool isError)
    {
        uint bits = (isDone ? StatusBits.Transfer : 0) | (isError ? StatusBits.Error : 0);
        if (bits != 0)
            Post(bits);
    }

    /// <summary>The controller has let go of all that was unlinked when the doorbell was rung.</summary>
    public void AnswerDoorbell()
    {
        if (!Command.AsyncAdvanceDoorbell)
            return;
        _registers.UsbCommand = Command with { AsyncAdvanceDoorbell = false };
        _guest.Answered();
        Post(StatusBits.AsyncAdvance);
    }

    /// <summary>It met what a real one would fail at: it stops, and only a reset recovers it.</summary>
    public void Die()
    {
        if (IsDead)
            return;
        IsDead = true;
        _guest.Statistics.HostSystemErrors++;
        _registers.UsbCommand = Command with { Run = false };
        Clock.Stop(_loop.NowNs);
        _registers.UsbStatus = Status with { Halted = true };
        Raise(StatusBits.HostSystemError);
        _changed();
    }

    /// <summary>It is taken away: whatever its registers say, nothing of it is to run.</summary>
    public void End() => IsDead = true;

    /// <summary>What time alone brings, and the state of the schedules.</summary>
    /// <param name="runsAsync">Whether the controller has something of its asynchronous list.</param>
    /// <param name="runsPeriodic">Whether it has something of its periodic list.</param>
    public void Follow(bool runsAsync, bool runsPeriodic)
    {
        bool isStill = !runsAsync && !runsPeriodic;
        if (Command.Reset && isStill)
        {
            FinishReset();
            return;
        }

        bool isUp = IsUp && _hardware.Clock.IsRunning;
        if (isUp && Status.Halted)
        {
            // Where its frames are is known from here on.
            Clock.Follow(_hardware.Clock, _loop.NowNs);
            _guest.LookSoon();
        }

        if (!isUp && isStill)
            Clock.Stop(_loop.NowNs);
        _registers.UsbStatus = Status with { Halted = IsDead || (!isUp && isStill), AsyncActive = runsAsync, PeriodicActive = runsPeriodic };
        Sync();
        Settle();
    }

    /// <summary>Nothing is told any more.</summary>
    public void Close() => _timer.Cancel();

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        switch (write.Offset)
        {
            case EhciRegisters.Command:
                // Software sets the doorbell, hardware alone clears it; so it is with the reset, which ends when nothing is held any more.
                UsbCommand before = new(new((uint)write.Before));
                UsbCommand after = new(new((uint)write.After));
                _registers.UsbCommand = before.Reset ? before : after with
                {
                    AsyncAdvanceDoorbell = before.AsyncAdvanceDoorbell || (after.AsyncAdvanceDoorbell && WantsAsync),
                    Run = after.Run && !IsDead,
                };
                if (after.AsyncAdvanceDoorbell && !before.AsyncAdvanceDoorbell)
                    _guest.RingDoorbell();
                if (after with { AsyncAdvanceDoorbell = false } != before with { AsyncAdvanceDoorbell = false })
                    _guest.LookSoon();
                break;
            case EhciRegisters.FrameIndexAt when !Clock.IsRunning:
                Clock.Set((uint)write.After);
                _seen = write.After;
                break;
            case EhciRegisters.ConfigureFlagAt when write.Before != write.After:
                Ports.Route();
                break;
            case >= EhciRegisters.FirstPort:
                Ports.Written((write.Offset - EhciRegisters.FirstPort) / sizeof(uint), new(new((uint)write.Before)));
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    void IEhciInterrupt.SetLevel(bool isAsserted) => _guest.Function.SetLevel(isAsserted);

    /// <inheritdoc/>
    void IEhciInterrupt.SetCauses(uint statusBits)
    {
    }

    /// <inheritdoc/>
    void IEhciInterrupt.Send()
    {
        _guest.Statistics.Interrupts++;
        _guest.Function.Interrupt();
    }

    private void FinishReset()
    {
        Ports.Reset();
        _registers.File.Reset();
        Clock.Set(0);
        (IsDead, _seen) = (false, 0);
        _interrupt.Forget();
        Settle();
    }

    private void RaisePortChange() => Raise(StatusBits.PortChange);

    private void Raise(uint bits)
    {
        _interrupt.Raise(bits);
        Settle();
    }

    private void Post(uint bits)
    {
        _interrupt.Post(bits);
        Settle();
    }

    // Status that is due becomes visible, and the interrupt follows.
    private void Settle()
    {
        _interrupt.Settle();
        if (_interrupt.DueNs == _plannedNs)
            return;
        _plannedNs = _interrupt.DueNs;
        _timer.Cancel();
        if (_plannedNs != ulong.MaxValue)
            _loop.Schedule(_plannedNs - Math.Min(_loop.NowNs, _plannedNs), _timer);
    }

    private void Sync()
    {
        ulong count = Clock.Count(_loop.NowNs);
        int bit = _registers.RolloverBit;
        if (count >> bit != _seen >> bit)
            _interrupt.Raise(StatusBits.FrameListRollover);
        _seen = count;
        _registers.File[EhciRegisters.FrameIndexAt] = FrameClock.IndexOf(count);
    }
}
