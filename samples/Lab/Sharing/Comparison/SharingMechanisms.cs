using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>All mechanisms and stacks that are compared, the reference first.</summary>
internal static class SharingMechanisms
{
    /// <summary>They.</summary>
    public static IReadOnlyList<SharingMechanism> All { get; } =
    [
        new("direct", "a controller for each VM", static plan => new DirectSharing(plan, TurnController.Ehci))
        {
            Needs = "a controller for each VM",
            Isolation = "remapping unit, reset",
            Cannot = "shares nothing: as many controllers as VMs",
            KeepsPromises = true,
            ExitsMax = 0,
            CopiesMax = 0,
        },
        new("direct+i", "a controller for each VM, memory mapped while it is used", static plan => new DirectSharing(plan, TurnController.Ehci, MappingPolicy.Strict))
        {
            Needs = "a controller for each VM, a HAL",
            Isolation = "remapping unit, reset; what is not in use cannot be reached",
            Cannot = "shares nothing: as many controllers as VMs",
            KeepsPromises = true,
            CopiesMax = 0,
        },
        new("c+a", "register sets, addresses replaced", static plan => new RegisterSetSharing(plan, replacesAddresses: true))
        {
            Needs = "hardware",
            Isolation = "requester id of each set",
            Cannot = "cannot let drivers see each other's reservations: whoever comes too late loses slots",
            ExitsMax = 0,
            CopiesMax = 0,
        },
        new("c+a+d", "register sets, dummies for the devices of others", static plan => new RegisterSetSharing(plan, replacesAddresses: true, hasDummies: true))
        {
            Needs = "hardware, a driver for dummies",
            Isolation = "requester id and budget of each set",
            Cannot = "cannot promise what one of the VMs refuses to know of: each has a say",
            KeepsPromises = true,
            ExitsMax = 0,
            CopiesMax = 0,
        },
        new("c", "register sets, addresses as drivers chose them", static plan => new RegisterSetSharing(plan, replacesAddresses: false))
        {
            Needs = "hardware",
            Isolation = "requester id of each set",
            Cannot = "cannot keep apart devices to which drivers gave the same address",
            Refuses = true,
        },
        new("b", "turns, state saved and restored", static plan => new RoundRobinSharing(plan, TurnController.Ehci))
        {
            Needs = "gates at the ports",
            Isolation = "quiescence, context switch",
            Cannot = "cannot serve streams: slots outside of a VM's turns are lost",
            SwitchNsMax = 1_375_000,
        },
        new("direct-x", "an xHCI controller for each VM", static plan => new DirectSharing(plan, TurnController.Xhci))
        {
            Needs = "a controller for each VM",
            Isolation = "remapping unit, reset",
            Cannot = "shares nothing: the reference for b-x, whose controller is another one than that of the other rows",
            KeepsPromises = true,
            ExitsMax = 0,
            CopiesMax = 0,
        },
        new("b-x", "turns of an xHCI controller, which saves and restores what it knows", static plan => new RoundRobinSharing(plan, TurnController.Xhci))
        {
            Needs = "gates at the ports",
            Isolation = "quiescence, context switch",
            Cannot = "cannot serve streams: slots outside of a VM's turns are lost",
            SwitchNsMax = 250_000,
        },
        new("f+a", "schedules merged, found by scans", static plan => new MergedSharing(plan, new()))
        {
            Needs = "nothing",
            Isolation = "checks of the VMM, I/O window of each VM",
            Cannot = "cannot begin a transfer before the next look at the schedules, once in a millisecond",
        },
        new("f+a-wp", "schedules merged, found by protected pages", static plan => new MergedSharing(plan, new() { Discovery = DiscoveryMethod.WriteProtection }))
        {
            Needs = "nothing",
            Isolation = "checks of the VMM, I/O window of each VM",
            Cannot = "cannot spare the guest's processor: each store into a schedule faults",
        },
        new("f+a+h", "schedules merged, found by scans, registers polled", static plan => new MergedSharing(plan, new(), polls: true))
        {
            Needs = "a HAL for the ring",
            Isolation = "checks of the VMM, I/O window and page of each VM",
            Cannot = "cannot sleep: a processor looks for work of all VMs",
            ExitsMax = 0.1,
        },
        new("f-hw+a", "schedules merged by an engine while they are fetched", static plan => new MergedSharing(plan, new() { Method = MergeMethod.Hardware }))
        {
            Needs = "hardware",
            Isolation = "requester id of each VM in the engine",
            Cannot = "cannot spare register exits: the virtual controller is the VMM's",
        },
        new("emulated", "imitated controllers, registers trap", static plan => new MediatedSharing(plan, SharingMediator.TrappedController))
        {
            Needs = "nothing",
            Isolation = "checks of the VMM",
            Cannot = "cannot spare the processor: each access exits, and each byte is copied twice",
        },
        new("g", "imitated controllers in processes, windows on memory", static plan => new MediatedSharing(plan, SharingMediator.MonitoredController))
        {
            Needs = "nothing",
            Isolation = "a window on one VM, shot down",
            Cannot = "cannot spare the processor: each access exits and wakes a process, and each byte is copied twice",
        },
        new("g-zc", "imitated controllers in processes, data straight to pages", static plan => new MediatedSharing(plan, SharingMediator.DirectController))
        {
            Needs = "nothing",
            Isolation = "a window on one VM, shot down; pins",
            Cannot = "cannot spare the processor: each access exits and wakes a process, which reads schedules all the time",
        },
        new("h", "imitated controllers, registers polled", static plan => new MediatedSharing(plan, SharingMediator.PolledController))
        {
            Needs = "a HAL for the ring",
            Isolation = "a page for each VM",
            Cannot = "cannot sleep: a processor looks for work of all VMs",
            ExitsMax = 0.1,
        },
        new("split", "a back end on the host, ring and grants", static plan => new MediatedSharing(plan, SharingMediator.BackEnd))
        {
            Needs = "a front end",
            Isolation = "grants",
            Cannot = "cannot serve a guest that has no front end",
            CopiesMax = 1,
        },
        new("e", "a service VM, ring and grants", static plan => new ServiceVmSharing(plan, ServedDevices.FrontEnd))
        {
            Needs = "a front end",
            Isolation = "service VM, grants",
            Cannot = "cannot go on without its service VM: when that ends, all wait for the next one",
            CopiesMax = 1,
        },
        new("e+g", "imitated controllers in processes of a service VM, windows on memory", static plan => new ServiceVmSharing(plan, ServedDevices.Model))
        {
            Needs = "nothing",
            Isolation = "service VM, a window on one VM, shot down by the VMM",
            Cannot = "cannot spare the processor: each access goes to another VM and back, and each byte is copied twice",
        },
        new("e+g-zc", "imitated controllers in processes of a service VM, data straight to pages", static plan => new ServiceVmSharing(plan, ServedDevices.Model, isZeroCopy: true))
        {
            Needs = "nothing",
            Isolation = "service VM, a window on one VM, shot down by the VMM; pins",
            Cannot = "cannot spare the processor: each access goes to another VM and back, and its processes read schedules all the time",
        },
        new("j", "virtual management device", Create: null)
        {
            Needs = "a driver",
            Isolation = "the management core copies",
            Cannot = "carries files, messages, statistics and sums; it has no USB devices behind it",
            Refuses = true,
        },
    ];
}
