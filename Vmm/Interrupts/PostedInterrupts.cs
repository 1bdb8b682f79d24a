using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The posted interrupts of a VM: its descriptor, the processor that is notified, and how they get into the guest.</summary>
/// <remarks>
/// <code>
///    guest      descriptor              what a notification does
///    --------   ---------------------   -------------------------------------------------------------
///    Running    SN = 0, NV = active     the processor takes the requests into the guest, which does not leave
///    Halted     SN = 0, NV = wake-up    the VMM collects the requests, and runs the guest if one is due
///    Preempted  SN = 1, NV = wake-up    none is sent but for an urgent one, and then the VMM runs the guest
/// </code>
/// While it has a descriptor, a VM has a processor of the host for itself, so that a notification is about no other one.
/// </remarks>
internal sealed class PostedInterrupts : IInterruptIntercept
{
    /// <summary>NV while the guest runs.</summary>
    public const byte NotificationVector = 0xF2;

    /// <summary>NV while it does not.</summary>
    public const byte WakeUpVector = 0xF1;

    private readonly Host _host;
    private readonly VirtualMachine _machine;
    private readonly LocalApic _apic;
    private readonly PostedDescriptor _descriptor;
    private readonly InterruptGates _processor;
    private readonly uint _destination;
    private readonly Signal _wakeUp;
    private readonly ScheduledEvent _processing;
    private bool _isClosed;

    private PostedInterrupts(Host host, VirtualMachine machine, InterruptRemapping remapping, PhysicalAddress descriptor, InterruptGates processor)
    {
        (_host, _machine, _processor) = (host, machine, processor);
        _apic = machine.Cpu.Gates.Apic;
        _descriptor = new(host.Memory, descriptor);
        _destination = remapping.NotificationDestination(processor.Apic.Id);
        _processing = new(Process);

        // A notification that comes when its guest has just left means nothing: what it tells of is collected anyway.
        _ = processor.Connect(NotificationVector);
        _wakeUp = processor.Connect(WakeUpVector);
        processor.Intercept = this;
    }

    /// <summary>How many notifications the processor took while the guest ran.</summary>
    public ulong Notifications { get; private set; }

    /// <summary>How often a notification woke the VMM because the guest did not run.</summary>
    public ulong WakeUps { get; private set; }

    /// <summary>Prepares a VM that wants its interrupts posted: with a descriptor, and a processor to notify.</summary>
    /// <returns>Why it cannot be; <c>null</c> where it is prepared, or wants something else.</returns>
    public static string? Prepare(VirtualMachine machine)
    {
        if (machine.Delivery != InterruptDelivery.Posted || machine.Schedule.Posting is not null || !machine.IsRunning)
            return null;
        if (machine.Host.Remapping.Interrupts is not { } remapping)
            return $"{machine.Name} wants its interrupts posted, and the host does not remap any";
        if (!remapping.CanPost)
            return $"{machine.Name} wants its interrupts posted, and the remapping unit cannot (CAP.PI is 0)";
        machine.Schedule.Posting = TryCreate(machine, remapping);
        return machine.Schedule.Posting is not null
            ? null
            : $"{machine.Name} wants its interrupts posted, and no processor or descriptor is left for it";
    }

    /// <summary>Where an interrupt is posted that a guest wants to go somewhere.</summary>
    /// <param name="message">What its device shall send, as the guest sees it; null for nothing.</param>
    /// <param name="isUrgent">Whether it wakes a guest that was preempted.</param>
    /// <returns><c>null</c> where it cannot be posted: it is not a fixed, edge-triggered one for this processor alone.</returns>
    public PostedTarget? TargetOf(MessageInterrupt? message, bool isUrgent) =>
        message is { IsFixedPhysical: true, IsLevel: false, Vector: >= LocalApic.FirstVector } fixedOne
            && InterruptRange.Contains(fixedOne.Address) && fixedOne.Destination == _apic.Id
            ? new(_descriptor.Address, fixedOne.Vector, isUrgent)
            : null;

    /// <summary>Posts an interrupt from another processor, which does the work of a device that is made of software.</summary>
    /// <param name="message">What the device sent, as the guest sees it.</param>
    /// <returns><c>false</c>, and nothing happened, where it cannot be posted.</returns>
    public bool TryPost(MessageInterrupt message)
    {
        if (TargetOf(message, isUrgent: false) is not { } target)
            return false;
        if (_descriptor.Post(target.Vector) && !TryTake(NotificationVector))
            _wakeUp.Raise();
        return true;
    }

    /// <inheritdoc/>
    public bool TryTake(byte vector)
    {
        if (vector != NotificationVector || _machine.Schedule.State != GuestState.Running)
            return false;

        // At the next boundary between instructions; what is posted until then is taken with it.
        if (!_processing.IsPending)
            _host.Loop.Schedule(0, _processing);
        return true;
    }

    /// <summary>The guest runs from here on: first notifications reach its processor, then what came before is collected.</summary>
    public void Enter()
    {
        Follow(GuestState.Running);
        Collect();
    }

    /// <summary>The guest runs no more. Where a notification is outstanding no other one would come, so what it tells of is collected now.</summary>
    public void Leave(GuestState next)
    {
        Follow(next);
        if (_descriptor.IsOutstanding)
            Collect();
    }

    /// <summary>Gives descriptor and processor back; no entry leads to the descriptor any more.</summary>
    public void Close(InterruptRemapping remapping)
    {
        _isClosed = true;
        _processing.Cancel();
        _processor.Intercept = null;
        _wakeUp.Raise();
        remapping.ReturnDescriptor(_descriptor.Address);
        _host.Vectors.ReturnProcessor(_processor.Apic.Id);
    }

    private static PostedInterrupts? TryCreate(VirtualMachine machine, InterruptRemapping remapping)
    {
        Host host = machine.Host;
        if (!host.Vectors.TryTakeProcessor(out byte processor))
            return null;
        if (!remapping.TryTakeDescriptor(out PhysicalAddress descriptor))
        {
            host.Vectors.ReturnProcessor(processor);
            return null;
        }

        PostedInterrupts posted = new(host, machine, remapping, descriptor, host.Interrupts.ProcessorOf(processor));
        posted.Follow(machine.Schedule.State);
        host.Loop.Start(posted.ServeWakeUps);
        return posted;
    }

    private void Follow(GuestState state) =>
        _descriptor.Notify(state == GuestState.Running ? NotificationVector : WakeUpVector, _destination, state == GuestState.Preempted);

    // Posted-interrupt processing (Intel SDM volume 3, 30.6), which the processor does by itself.
    private void Process()
    {
        if (_machine.Schedule.State != GuestState.Running || !_descriptor.IsOutstanding)
            return;
        Notifications++;
        _machine.Cpu.Processor.Charge(Cost.Notification);
        Collect();
    }

    // ON first: an interrupt that comes between the two is notified of again, and not lost.
    private void Collect()
    {
        _descriptor.ClearOutstanding();
        _apic.Accept(_descriptor.TakeRequests());
    }

    private async Task ServeWakeUps()
    {
        while (await _wakeUp.Wait() && !_isClosed)
        {
            WakeUps++;
            if (_machine.Schedule.State == GuestState.Preempted)
                _machine.Schedule.Enter();
            else
                Collect();
        }
    }
}
