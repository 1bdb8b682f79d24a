using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Steps of the host: devices that go to VMs and come back, VMs that begin and end.</summary>
internal static class AssignmentSteps
{
    private static readonly GuestParameter _guest = new();
    private static readonly DeviceParameter _device = new();

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("assign", 6, static (world, step) => Assign(world, step.Device(0), step.Guest(1)), _device, _guest),
        new("return", 3, static (world, step) => TakeBack(world, step.Device(0)), _device),
        new("move", 4, static (world, step) => Move(world, step.Device(0), step.Guest(2), step[1]), _device,
            new ChoiceParameter("detach", "reset", "isolate", "expose", "withdraw", "quiesce", "release", "return"), _guest),
        new("create", 1, static (world, step) => world.Create(step.Guest(0)), _guest),
        new("destroy", 1, static (world, step) => world.Destroy(step.Guest(0)), _guest),
        new("unplug", 1, static (world, step) => Unplug(world, step.Device(0)), _device),
        new("pull", 1, static (_, step) => step.Device(0).Function.Bus?.Remove(step.Device(0).Function), _device),
        new("driver", 1, static (_, step) => step.Device(0).Assignment.Driver = step[1] == 0 ? null : new HostDriver(step[1] == 1),
            _device, new ChoiceParameter("none", "willing", "busy")),
    ];

    /// <summary>Gives a device to a VM.</summary>
    public static void Assign(IsolationWorld world, WorldDevice device, WorldGuest guest)
    {
        if (guest.Machine is not { } machine)
            return;
        WorldDevice[] group = GroupOf(world, device);
        WorldDevice[] coming = [.. group.Where(member => member.Assignment.State != AssignmentState.Assigned)];
        Act(world, group, () => device.Assignment.Group.Assign(machine, [.. group.Select(member => member.GuestPlace)]));
        foreach (WorldDevice member in group)
            AfterMove(world, member);
        foreach (WorldDevice member in coming)
            AfterExpose(world, member);
    }

    /// <summary>Takes a device back from wherever it is.</summary>
    public static void TakeBack(IsolationWorld world, WorldDevice device)
    {
        WorldDevice[] group = GroupOf(world, device);
        foreach (WorldDevice member in group)
            BeforeTakeBack(world, member);
        Act(world, group, device.Assignment.TakeBack);
        foreach (WorldDevice member in group)
            AfterMove(world, member);
    }

    /// <summary>A device is about to be taken back: its mappings may go at any time from now on.</summary>
    public static void BeforeTakeBack(IsolationWorld world, WorldDevice device)
    {
        if (world.Program.Without.Contains(Protection.Pin))
            BookedCalls.PinAgain(world, device.Mappings);
    }

    /// <summary>A device moved, as far as it went: nothing is mapped for it where it has no address space, and all memory of a VM whose policy says so.</summary>
    public static void AfterMove(IsolationWorld world, WorldDevice device)
    {
        Assignment assignment = device.Assignment;
        WorldGuest? owner = assignment.DomainId is null ? null : world.Guests.FirstOrDefault(guest => guest.Machine == assignment.Machine);
        if (owner is null)
            device.RemoveAll();
        device.IdentityOf = owner?.Policy == MappingPolicy.Static ? owner : null;
        device.FollowsOf = owner is { HasIommu: true } ? owner : null;
        if (device.User is { } user && (assignment.State != AssignmentState.Assigned || user.Machine != assignment.Machine))
            user.Close();
    }

    private static void Move(IsolationWorld world, WorldDevice device, WorldGuest guest, ulong step)
    {
        Assignment assignment = device.Assignment;
        Func<ValueTask<AssignmentResult>>? move = step switch
        {
            0 => assignment.Detach,
            1 => assignment.Reset,
            2 => guest.Machine is { } machine ? () => assignment.Isolate(machine) : null,
            3 => () => assignment.Expose(device.GuestPlace),
            4 => assignment.Withdraw,
            5 => assignment.Quiesce,
            6 => assignment.Release,
            _ => assignment.Return,
        };
        if (move is null)
            return;
        AssignmentState before = assignment.State;
        if (before == AssignmentState.Quiet)
            BeforeTakeBack(world, device);
        Act(world, [device], move);
        AfterMove(world, device);
        if (before == AssignmentState.Isolated)
            AfterExpose(world, device);
    }

    private static void AfterExpose(IsolationWorld world, WorldDevice device)
    {
        if (device.Assignment.State != AssignmentState.Assigned)
            return;
        device.Begin();
        world.CheckPristine(device);
        if (world.Program.Without.Contains(Protection.Translation))
            PassThrough(world, device);
    }

    private static void PassThrough(IsolationWorld world, WorldDevice device) => world.Run(async () =>
    {
        await world.Host.Remapping.Detach(device.Source);
        return await world.Host.Remapping.AttachPassThrough(device.Source);
    });

    // The devices that go together, in the order of the host.
    private static WorldDevice[] GroupOf(IsolationWorld world, WorldDevice device) =>
        [.. device.Assignment.Group.Functions.Select(function => world.DeviceAt(function.Source) ?? device)];

    private static void Act(IsolationWorld world, WorldDevice[] group, Func<ValueTask<AssignmentResult>> act)
    {
        foreach (WorldDevice device in group)
            device.Busy++;
        _ = world.Run(() => act().AsTask());
        foreach (WorldDevice device in group)
            device.Busy--;
    }

    // The host is told, unlike where somebody pulls.
    private static void Unplug(IsolationWorld world, WorldDevice device)
    {
        if (device.Function.Bus is null)
            return;
        BeforeTakeBack(world, device);
        device.Busy++;
        _ = world.Run(async () =>
        {
            await world.Host.HotUnplug(device.Function);
            return true;
        });
        device.Busy--;
        AfterMove(world, device);
    }

    private sealed class HostDriver(bool isWilling) : IHostDriver
    {
        public ValueTask<bool> Release() => new(isWilling);

        public ValueTask<bool> Take() => new(isWilling);
    }
}
