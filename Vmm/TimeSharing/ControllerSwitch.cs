using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Takes a controller from one VM and gives it to the next: the steps, in order, and the time that each takes.</summary>
/// <remarks>
/// <code>
///   Quiesce  the guest finds the image; schedules off, until they are; what they report has arrived
///   Save     registers into the region of the VM; gates closed; controller stopped and reset, so that nothing of the VM is left in it
///   Switch   bus master off; context entry to the next domain, interrupt entry to the next vector, each with its invalidation
///   Load     registers out of the region of the next VM, at the start of a microframe of its clock; the gates of its ports open
/// </code>
/// </remarks>
/// <param name="host">The host.</param>
/// <param name="source">The controller.</param>
/// <param name="real">The controller in the hands of the VMM.</param>
/// <param name="hardware">Its registers.</param>
/// <param name="options">How it is shared.</param>
/// <param name="clock">Who is told of the phases.</param>
internal sealed class ControllerSwitch(
    Host host, SourceId source, RealFunction real, GatedEhci hardware, TimeSharingOptions options, TurnClock clock)
{
    // How long a controller may take to halt (EHCI, run/stop), and to end its reset.
    private const ulong HaltNsMax = 16 * WireTime.MicroframeNs;
    private const ulong ResetNsMax = 250_000_000;

    // The longest interrupt threshold that there is, in microframes; other values are undefined (EHCI, USB command register).
    private const int ThresholdMax = 64;

    private RemappedMessages? _entry;

    private Processor Processor => host.Cpu.Processor;

    /// <summary>Takes the controller out of the hands of the host: gates closed, stopped, reset.</summary>
    /// <returns><c>false</c> where it does not react.</returns>
    public async ValueTask<bool> Prepare()
    {
        real.SetBusMaster(false);
        hardware.Gates = hardware.AllPorts;
        return await Reset();
    }

    /// <summary>Takes it from a VM: from here on it does nothing.</summary>
    /// <param name="tenant">The VM, whose turn it is.</param>
    /// <returns><c>false</c> where it does not even reset.</returns>
    public async ValueTask<bool> TakeFrom(ControllerTenant tenant)
    {
        // 1. The guest finds the image, whatever the controller does now.
        clock.Begin(TurnPhase.Quiesce, tenant.Machine);
        tenant.Leave();
        bool isQuiet = Skips(SwitchSteps.Quiesce) || await Quiesce();

        // 2. What it reported at last belongs to the VM; then it is reset, and knows nothing of it.
        clock.Begin(TurnPhase.Save, tenant.Machine);
        tenant.Complete(hasFailed: !isQuiet);
        Charge(Cost.RegisterAccess, 10);
        Charge(Cost.Copy, 1);
        Charge(Cost.CopiedByte, EhciState.Size);
        if (!Skips(SwitchSteps.Gates))
            hardware.Gates = hardware.AllPorts;
        bool isClean = Skips(SwitchSteps.Quiesce) || await Reset();
        real.SetBusMaster(false);
        await Processor.Delay(0);
        return isClean;
    }

    /// <summary>Gives it to a VM.</summary>
    /// <param name="tenant">The VM.</param>
    /// <returns><c>false</c>, with nothing given, where the remapping unit has no room for its context entry.</returns>
    public async ValueTask<bool> GiveTo(ControllerTenant tenant)
    {
        // 3. Requests and interrupts are those of the next VM from here on, and nothing of the one before is cached.
        clock.Begin(TurnPhase.Switch, tenant.Machine);
        if (!host.Remapping.IsAttached(source) || !Skips(SwitchSteps.Translation))
        {
            await Block();
            if (await host.Remapping.Attach(source, tenant.Domain) != DmaRefusal.None)
                return false;
        }

        if (_entry is null || !Skips(SwitchSteps.Interrupt))
            await RouteTo(tenant.Vector);

        // 4. In step with its own clock, so that its frame index never stands still nor jumps.
        clock.Begin(TurnPhase.Load, tenant.Machine);
        Charge(Cost.RegisterAccess, 10);
        Charge(Cost.Copy, 1);
        Charge(Cost.CopiedByte, EhciState.Size);
        await Processor.Delay(0);
        if (!Skips(SwitchSteps.Clock))
            await host.Loop.Delay(tenant.Image.ToMicroframeNs());
        tenant.Enter(!Skips(SwitchSteps.Clock));
        hardware.Gates = Skips(SwitchSteps.Gates) ? 0 : hardware.AllPorts & ~tenant.Image.Ports;
        return true;
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

    private bool Skips(SwitchSteps step) => (options.Without & step) != 0;

    private void Charge(Cost cost, ulong times) => Processor.Charge(cost, times);

    // PSE and ASE off, RS stays on: frames go on. Then the interrupt threshold passes, and all has been reported.
    private async ValueTask<bool> Quiesce()
    {
        UsbCommand command = hardware.Command;
        hardware.Command = command with { PeriodicEnable = false, AsyncEnable = false };
        Charge(Cost.RegisterAccess, 10);
        ulong endNs = host.Loop.NowNs + options.QuiesceNsMax;
        while (hardware.Status is { Halted: false } status && (status.AsyncActive || status.PeriodicActive))
        {
            if (host.Loop.NowNs >= endNs)
                return false;
            await Processor.Delay(Math.Min(WireTime.MicroframeNs, endNs - host.Loop.NowNs));
            Charge(Cost.RegisterAccess, 1);
        }

        if (!hardware.Status.Halted)
            await Processor.Delay((ulong)Math.Clamp(command.InterruptThreshold, 1, ThresholdMax) * WireTime.MicroframeNs);
        return true;
    }

    // A reset while it runs is undefined: it halts first, or the reset is what stops it.
    private async ValueTask<bool> Reset()
    {
        hardware.Command = hardware.Command with { Run = false };
        _ = await Wait(HaltNsMax, () => hardware.Status.Halted);
        hardware.Command = new() { Reset = true };
        return await Wait(ResetNsMax, () => !hardware.Command.Reset) && hardware.Status is { Halted: true, AsyncActive: false, PeriodicActive: false };
    }

    private async ValueTask<bool> Wait(ulong timeoutNs, Func<bool> condition)
    {
        ulong endNs = host.Loop.NowNs + timeoutNs;
        while (!condition())
        {
            if (host.Loop.NowNs >= endNs || hardware.IsGone)
                return false;
            await Processor.Delay(WireTime.MicroframeNs / 8);
            Charge(Cost.RegisterAccess, 1);
        }

        return true;
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
