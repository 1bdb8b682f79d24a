using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Takes a controller from one VM and gives it to the next: the steps, in order, and the time that each takes.</summary>
/// <remarks>
/// <code>
///   Quiesce  the guest finds the image; the controller comes to a stop; what it reports has arrived
///   Save     registers, and what the controller saves by itself, into the region of the VM; gates closed; reset, so that nothing of the VM is left in it
///   Switch   bus master off; context entry to the next domain, interrupt entry to the next vector, each with its invalidation
///   Load     out of the region of the next VM, at the start of a microframe of its clock; the gates of its ports open
/// </code>
/// </remarks>
/// <param name="host">The host.</param>
/// <param name="source">The controller.</param>
/// <param name="real">The controller in the hands of the VMM.</param>
/// <param name="hardware">Its registers.</param>
/// <param name="options">How it is shared.</param>
/// <param name="clock">Who is told of the phases.</param>
internal sealed class ControllerSwitch(
    Host host, SourceId source, RealFunction real, ITurnHardware hardware, TimeSharingOptions options, TurnClock clock)
{
    private readonly TurnPace _pace = new(host);
    private RemappedMessages? _entry;

    /// <summary>What is left out of each switch from now on.</summary>
    public SwitchSteps Without { get; set; } = options.Without;

    /// <summary>Takes the controller out of the hands of the host: gates closed, stopped, reset.</summary>
    /// <returns><c>false</c> where it does not react.</returns>
    public async ValueTask<bool> Prepare()
    {
        real.SetBusMaster(false);
        hardware.Gates = hardware.AllPorts();
        return await hardware.Reset(_pace);
    }

    /// <summary>Takes it from a VM: from here on it does nothing.</summary>
    /// <param name="tenant">The VM, whose turn it is.</param>
    /// <returns><c>false</c> where it does not even reset.</returns>
    public async ValueTask<bool> TakeFrom(ControllerTenant tenant)
    {
        // 1. The guest finds the image, whatever the controller does now.
        clock.Begin(TurnPhase.Quiesce, tenant.Machine);
        tenant.Leave();
        bool isQuiet = Skips(SwitchSteps.Quiesce) || await hardware.Quiesce(_pace, options.QuiesceNsMax);

        // 2. What it reported at last belongs to the VM, and so does what it saves by itself; then it is reset, and knows nothing of it.
        clock.Begin(TurnPhase.Save, tenant.Machine);
        if (isQuiet && SavesByItself)
        {
            real.SetBusMaster(true);
            isQuiet = await tenant.Image.Save(_pace);
        }

        // What does not stop by itself is stopped from outside, before its guest knows of it and gives its memory to something else.
        if (!isQuiet)
            real.SetBusMaster(false);
        tenant.Complete(hasFailed: !isQuiet);
        ChargeForState();
        if (!Skips(SwitchSteps.Gates))
            hardware.Gates = hardware.AllPorts();
        bool isClean = Skips(SwitchSteps.Quiesce) || await hardware.Reset(_pace);
        real.SetBusMaster(false);
        await _pace.Delay();
        return isClean;
    }

    /// <summary>Gives it to a VM.</summary>
    /// <param name="tenant">The VM.</param>
    public async ValueTask<TurnOutcome> GiveTo(ControllerTenant tenant)
    {
        // 3. Requests and interrupts are those of the next VM from here on, and nothing of the one before is cached.
        clock.Begin(TurnPhase.Switch, tenant.Machine);
        if (!host.Remapping.IsAttached(source) || !Skips(SwitchSteps.Translation))
        {
            await Block();
            if (await host.Remapping.Attach(source, tenant.Domain) != DmaRefusal.None)
                return TurnOutcome.Refused;
        }

        if (_entry is null || !Skips(SwitchSteps.Interrupt))
            await RouteTo(tenant.Vector);

        // 4. In step with its own clock, so that its frame index never stands still nor jumps.
        clock.Begin(TurnPhase.Load, tenant.Machine);
        ChargeForState();
        await _pace.Delay();
        if (SavesByItself)
            real.SetBusMaster(true);
        if (!await tenant.Image.Prepare(_pace, SavesByItself, !Skips(SwitchSteps.Clock)))
        {
            real.SetBusMaster(false);
            return await hardware.Reset(_pace) ? TurnOutcome.Refused : TurnOutcome.Lost;
        }

        if (!Skips(SwitchSteps.Clock))
            await host.Loop.Delay(tenant.Image.ToMicroframeNs());
        clock.Begin(TurnPhase.Run, tenant.Machine);
        tenant.Enter();
        hardware.Gates = Skips(SwitchSteps.Gates) ? 0 : hardware.AllPorts() & ~tenant.Image.Ports;
        return TurnOutcome.Given;
    }

    /// <summary>No request of it passes any more.</summary>
    public async ValueTask Block()
    {
        if (host.Remapping.IsAttached(source))
            await host.Remapping.Detach(source);
    }

    /// <summary>No interrupt of it arrives any more, and all that it had is given back.</summary>
    public async ValueTask Close()
    {
        await Block();
        real.SendTo(null);
        if (_entry is { } entry)
            await entry.Free();
        _entry = null;
    }

    private bool SavesByItself => hardware.ScratchpadPages != 0 && !Skips(SwitchSteps.State);

    private bool Skips(SwitchSteps step) => (Without & step) != 0;

    private void ChargeForState()
    {
        _pace.Charge(Cost.RegisterAccess, hardware.Registers);
        _pace.Charge(Cost.Copy);
        _pace.Charge(Cost.CopiedByte, hardware.StateBytes);
    }

    private async ValueTask RouteTo(MessageInterrupt vector)
    {
        if (host.Remapping.Interrupts is not { } remapping)
        {
            real.SendTo(vector);
            return;
        }

        if (_entry is null)
        {
            _entry = remapping.TryReserve(source, 1) ?? throw new DeviceException($"No interrupt entry is left for {source}.");
            await remapping.Route(_entry, [vector]);
            real.SendTo(_entry.Message);
        }
        else
        {
            await _entry.Redirect(0, vector);
        }
    }
}
