using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Whether a register set runs: run/stop and reset as its command says, the host system error, and how it takes leave of the bus (EHCI, USB command register).</summary>
/// <remarks>Nothing stops, and nothing is reset, while somebody uses memory of software for the set: what was told goes on until that is over.</remarks>
/// <param name="set">The set.</param>
/// <param name="engine">What it shares with others.</param>
/// <param name="registers">Its registers.</param>
/// <param name="wire">Its way to devices.</param>
/// <param name="async">Its asynchronous schedule, whose doorbell is in the command.</param>
/// <param name="clock">Its frames.</param>
/// <param name="loop">The time.</param>
internal sealed class EhciRunStop(
    EhciRegisterSet set, EhciEngine engine, EhciRegisters registers, EhciWire wire, AsyncSchedule async, FrameClock clock, EventLoop loop)
{
    private const ulong Never = ulong.MaxValue;

    /// <summary>Not halted.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>When <see cref="LeaveIfLetGo"/> is to be tried again although it runs no microframe; the end of time for never.</summary>
    public ulong AskNs { get; private set; } = Never;

    /// <summary>Whether it met a bus error, and was not reset since.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Whether the current microframe began while it ran.</summary>
    public bool IsInMicroframe { get; private set; }

    /// <summary>Whether it was told to stop, and has not.</summary>
    public bool IsStopping => IsRunning && !registers.UsbCommand.Run;

    /// <summary>Software wrote the command.</summary>
    public void Written(UsbCommand before, UsbCommand after)
    {
        after = after with { Reset = before.Reset || after.Reset, LightReset = before.LightReset || after.LightReset };
        if (after.Reset || after.LightReset)
        {
            // While memory of software is in use without the controller, the reset goes on, whatever is written.
            registers.UsbCommand = after with { Run = false };
            LeaveIfLetGo();
            return;
        }

        // Software sets the doorbell, hardware alone clears it. After a host system error only a reset lets it run.
        if (after.AsyncAdvanceDoorbell && !before.AsyncAdvanceDoorbell)
            async.Ring();
        registers.UsbCommand = after with
        {
            AsyncAdvanceDoorbell = before.AsyncAdvanceDoorbell || after.AsyncAdvanceDoorbell,
            Run = after.Run && !IsDead,
        };
        if (after.Run && !IsDead && !IsRunning)
            Start();
        else if (IsStopping && !engine.IsOnWire(set))
            LeaveIfLetGo();
    }

    /// <summary>A microframe begins in which it runs.</summary>
    public void EnterMicroframe() => IsInMicroframe = true;

    /// <summary>Stops, or is reset, as the command says, as soon as nobody uses memory of software for it.</summary>
    public void LeaveIfLetGo()
    {
        IsInMicroframe = false;
        bool isLetGo = wire.TryLetGo(isAll: true);

        // One that runs asks again in each microframe; one that a bus error has halted has none.
        AskNs = isLetGo || IsRunning ? Never : loop.NowNs + WireTime.MicroframeNs;
        if (!isLetGo)
            return;
        UsbCommand command = registers.UsbCommand;
        if (command.Reset)
            engine.Reset(set);
        else if (command.LightReset)
            set.ResetButPorts();
        else
            Halt();
    }

    /// <summary>A bus error: run/stop falls, the error and the halt show at the same time, and only a reset recovers.</summary>
    /// <returns><c>false</c> where it does not run.</returns>
    public bool Die()
    {
        if (!IsRunning)
            return false;
        IsDead = true;
        _ = wire.TryLetGo(isAll: true);
        registers.UsbCommand = registers.UsbCommand with { Run = false };
        Halt();
        return true;
    }

    /// <summary>It was reset.</summary>
    public void Forget()
    {
        Leave();
        (IsDead, AskNs) = (false, Never);
    }

    private void Start()
    {
        engine.Join(set, clock);
        (IsRunning, IsInMicroframe) = (true, false);
        registers.UsbStatus = registers.UsbStatus with { Halted = false };
    }

    private void Halt()
    {
        clock.Stop(loop.NowNs);
        Leave();
        registers.UsbStatus = registers.UsbStatus with { Halted = true, PeriodicActive = false, AsyncActive = false };
    }

    private void Leave()
    {
        if (IsRunning)
            engine.Leave(set);
        (IsRunning, IsInMicroframe) = (false, false);
        set.CountSchedule();
    }
}
