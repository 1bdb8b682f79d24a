using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The root ports that a VM sees: those that are its own pass through, the others look empty.</summary>
/// <remarks>
/// A port that is reset answers to address 0, which one VM has at a time. The reset of another one goes on on the bus until it has it;
/// meanwhile its guest finds the port enabled, and the device silent.
/// <code>
///   Passing --reset on--> Resetting --reset off, has address 0--------------------> Ending --done--> Passing
///                             \------reset off, others have it--> Held --has it now--^
/// </code>
/// </remarks>
/// <param name="guest">The VM.</param>
/// <param name="hardware">The real controller.</param>
/// <param name="registers">The registers of the VM.</param>
/// <param name="ports">Which ports are its own, a bit for each.</param>
/// <param name="changed">Told of a change that software is told of.</param>
internal sealed class VirtualPorts(MergedGuest guest, MergedEhci hardware, EhciRegisters registers, uint ports, Action changed)
{
    private readonly State[] _states = new State[hardware.Structure.PortCount];
    private ulong _refreshedNs;

    private enum State : byte
    {
        Passing = 0,
        Resetting,
        Held,
        Ending,
    }

    /// <summary>Which ports are its own, a bit for each.</summary>
    public uint Own => ports;

    /// <summary>Whether the reset of a port has not ended that the guest believes to have.</summary>
    public bool IsEnding => Array.Exists(_states, static state => state is State.Held or State.Ending);

    private bool IsConfigured => (registers.File[EhciRegisters.ConfigureFlagAt] & 1) != 0;

    /// <summary>Brings what became of the real ports into the registers.</summary>
    public void Refresh()
    {
        // A poller looks all the time, and a look at a real register is dear: while resets of several VMs wait for each other too, once in a microframe is enough.
        ulong nowNs = guest.Machine.Host.Loop.NowNs;
        if (guest.Options.Poller is not null && nowNs - _refreshedNs < WireTime.MicroframeNs)
            return;
        _refreshedNs = nowNs;
        for (int index = 0; index < _states.Length; index++)
        {
            if (IsOwn(index))
                Refresh(index);
            else
                registers[index] = new() { Power = true, Owner = !IsConfigured };
        }
    }

    /// <summary>CONFIGFLAG was written: the ports are those of this controller, or of nobody.</summary>
    public void Route()
    {
        for (int index = 0; index < _states.Length; index++)
        {
            if (IsOwn(index))
                Hand(index, isAway: !IsConfigured);
            else
                registers[index] = new() { Power = true, Owner = !IsConfigured };
        }
    }

    /// <summary>PORTSC of a port was written.</summary>
    /// <param name="index">The port, from 0 on.</param>
    /// <param name="before">Its value before.</param>
    public void Written(int index, PortStatusControl before)
    {
        PortStatusControl after = registers[index];
        if (!IsOwn(index))
        {
            registers[index] = before;
            return;
        }

        // Software can only clear the enable bit; test modes are of the whole bus, and not a guest's.
        registers[index] = after with { Enabled = before.Enabled && after.Enabled, TestMode = 0, Owner = before.Owner };
        if (after.Owner != before.Owner)
            Hand(index, isAway: after.Owner);
        else if (before.Owner)
            return;
        else if (after.Reset && !before.Reset)
            BeginReset(index);
        else if (!after.Reset && before.Reset)
            EndReset(index);
        else if (before.Enabled && !after.Enabled)
            Shut(index, isError: false);
        else if (after.Suspend != before.Suspend || after.ForceResume != before.ForceResume)
            hardware.SetPort(index, hardware.Port(index) with { Suspend = after.Suspend, ForceResume = after.ForceResume });
    }

    /// <summary>Address 0 is the VM's now: resets that were held end.</summary>
    public void Release()
    {
        for (int index = 0; index < _states.Length; index++)
        {
            if (_states[index] != State.Held)
                continue;
            _states[index] = State.Ending;
            hardware.SetPort(index, hardware.Port(index) with { Reset = false });
        }
    }

    /// <summary>Nothing may pass a port any more, as after an error.</summary>
    /// <param name="port">The port, from 0 on; -1 for all of its own.</param>
    public void ShutByError(int port)
    {
        for (int index = 0; index < _states.Length; index++)
        {
            if (IsOwn(index) && (port < 0 || port == index))
                Shut(index, isError: true);
        }
    }

    /// <summary>Nothing passes the ports, and no device behind them has an address.</summary>
    public void Reset()
    {
        for (int index = 0; index < _states.Length; index++)
        {
            if (!IsOwn(index))
                continue;
            _states[index] = State.Passing;
            hardware.SetPort(index, hardware.Port(index) with { Reset = false, Enabled = false, Suspend = false, ForceResume = false });
        }

        guest.PortAddresses.Reset(guest.Number);
    }

    private bool IsOwn(int index) => (ports >> index & 1) != 0;

    private void Refresh(int index)
    {
        PortStatusControl real = hardware.Port(index);
        PortStatusControl shown = registers[index];

        // Where nobody answers any more, nothing is plugged in.
        if (real.Raw.Value == uint.MaxValue)
            real = default;
        bool hasChange = real.ConnectChange || real.EnableChange || real.OverCurrentChange;
        if (hasChange)
            hardware.AcknowledgePort(index, real);
        if (shown.Owner)
            return;
        if (real.ConnectChange || !real.Connected)
            Lose(index, real);
        Advance(index, real, ref shown);
        bool isEnabled = _states[index] switch
        {
            State.Passing => real.Enabled,
            State.Held or State.Ending => shown.Enabled,
            _ => false,
        };
        if (shown.Enabled && !isEnabled)
            guest.PortAddresses.Disabled(guest.Number, index);
        registers[index] = shown with
        {
            Connected = real.Connected,
            ConnectChange = shown.ConnectChange || real.ConnectChange,
            Enabled = isEnabled,
            EnableChange = shown.EnableChange || real.EnableChange,
            OverCurrent = real.OverCurrent,
            OverCurrentChange = shown.OverCurrentChange || real.OverCurrentChange,
            ForceResume = real.ForceResume,
            Suspend = real.Suspend,
            Reset = _states[index] == State.Resetting || (_states[index] == State.Ending && !shown.Enabled),
            LineState = _states[index] == State.Held ? LineState.SingleEndedZero : real.LineState,
            Power = true,
        };

        // A device that wakes is a change without a bit of its own; the guest that resumes its port itself knows it.
        if (hasChange || (real.ForceResume && !shown.ForceResume))
            changed();
    }

    // The end of a reset: a device that answered at high speed is there, or none is.
    private void Advance(int index, PortStatusControl real, ref PortStatusControl shown)
    {
        if (_states[index] != State.Ending || real.Reset)
            return;
        _states[index] = State.Passing;
        if (real.Enabled)
            return;
        guest.PortAddresses.Disabled(guest.Number, index);
        if (!shown.Enabled)
            return;
        shown = shown with { Enabled = false, EnableChange = true };
        changed();
    }

    private void Lose(int index, PortStatusControl real)
    {
        if (_states[index] is State.Resetting or State.Held)
            hardware.SetPort(index, real with { Reset = false });
        if (_states[index] != State.Passing || registers[index].Enabled)
            guest.PortAddresses.Disabled(guest.Number, index);
        _states[index] = State.Passing;
    }

    private void BeginReset(int index)
    {
        PortStatusControl real = hardware.Port(index);
        if (!real.Connected)
        {
            registers[index] = registers[index] with { Reset = false };
            return;
        }

        // What is behind it loses its address.
        _states[index] = State.Resetting;
        guest.PortAddresses.Disabled(guest.Number, index);
        hardware.SetPort(index, real with { Reset = true, Enabled = false });
        registers[index] = registers[index] with { Enabled = false, Suspend = false, ForceResume = false };
    }

    private void EndReset(int index)
    {
        if (_states[index] != State.Resetting)
            return;
        if (guest.PortAddresses.Enabled(guest.Number, index))
        {
            _states[index] = State.Ending;
            registers[index] = registers[index] with { Reset = true };
            hardware.SetPort(index, hardware.Port(index) with { Reset = false });
        }
        else
        {
            _states[index] = State.Held;
            registers[index] = registers[index] with { Reset = false, Enabled = true };
        }
    }

    private void Shut(int index, bool isError)
    {
        bool wasEnabled = registers[index].Enabled || _states[index] != State.Passing;
        _states[index] = State.Passing;
        hardware.SetPort(index, hardware.Port(index) with { Enabled = false, Reset = false, Suspend = false });
        guest.PortAddresses.Disabled(guest.Number, index);
        registers[index] = registers[index] with { Enabled = false, EnableChange = registers[index].EnableChange || (isError && wasEnabled) };
        if (isError && wasEnabled)
            changed();
    }

    // To a companion, which this VM does not have, or back from there.
    private void Hand(int index, bool isAway)
    {
        if (isAway)
        {
            Shut(index, isError: false);
            registers[index] = new() { Power = true, Owner = true };
            return;
        }

        PortStatusControl real = hardware.Port(index);
        registers[index] = new() { Power = true, Connected = real.Connected, ConnectChange = real.Connected, LineState = real.LineState };
        if (real.Connected)
            changed();
    }
}
