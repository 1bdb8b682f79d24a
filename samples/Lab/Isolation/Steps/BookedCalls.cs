using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Hypercalls of VMs, entered in the books of the world by what the VMM answers.</summary>
internal static class BookedCalls
{
    private const ulong PageBytes = 4096;

    /// <summary>Makes a call, and books what it changed.</summary>
    /// <param name="world">The world.</param>
    /// <param name="guest">Who calls.</param>
    /// <param name="number">Which call.</param>
    /// <param name="first">The first argument: where a call names a device, its handle.</param>
    /// <param name="second">The second one.</param>
    /// <param name="third">The third one.</param>
    /// <param name="fourth">The fourth one.</param>
    /// <param name="isAlone">Whether the host gives and takes nothing meanwhile.</param>
    public static async Task<HypercallResult> Call(IsolationWorld world, WorldGuest guest, Hypercall number, ulong first, ulong second, ulong third, ulong fourth, bool isAlone)
    {
        if (guest.Machine is not { } machine)
            return new(DmaRefusal.Denied, 0);
        WorldDevice? device = world.Devices.FirstOrDefault(device => device.GuestPlace.Value == first);
        BookedMapping? unmapped = number == Hypercall.UnmapDma && fourth == 0 && device?.Assignment is { State: AssignmentState.Assigned, Machine: { } owner } && owner == machine
            ? device.Mappings.FirstOrDefault(mapping => mapping.Device == second && mapping.Length == third)
            : null;
        bool isPinless = world.Program.Without.Contains(Protection.Pin);
        if (isPinless && unmapped is not null)
            PinAgain(world, [unmapped]);
        State before = StateOf(world, machine);
        ulong startNs = world.Host.Loop.NowNs;
        Busy(world, device, 1);
        HypercallResult result = await machine.Cpu.Call(number, first, second, third, fourth);
        Busy(world, device, -1);
        if (result.Refusal != DmaRefusal.None)
        {
            // What is refused must change nothing that counts.
            if (result.Value != 0 || (isAlone && HasChanged(world, before, StateOf(world, machine))))
                world.Violate("I5", $"a call of VM {guest.Name} was refused as {result.Refusal}, and something changed");
            return result;
        }

        if (number == Hypercall.MapDma)
            Mapped(world, guest, device, second, third, (DmaDirection)fourth, result.Value);
        else if (number == Hypercall.UnmapDma && unmapped is null)
            world.Violate("I6", $"VM {guest.Name} unmapped {third} bytes at {second:X}h, which it never mapped");
        else if (number == Hypercall.UnmapDma)
            device!.Remove(unmapped!, guest.Policy == MappingPolicy.Deferred ? world.Host.Loop.NowNs : null);
        else if (number == Hypercall.FlushDma)
            device?.Flushed(startNs);
        return result;
    }

    /// <summary>Pins again what was not pinned, before the VMM takes the pins back.</summary>
    public static void PinAgain(IsolationWorld world, IEnumerable<BookedMapping> mappings)
    {
        foreach (ulong frame in mappings.SelectMany(mapping => mapping.Frames))
            world.Host.Frames.Pin(new(frame << 12));
    }

    // A call about no device that is there may still be about any.
    private static void Busy(IsolationWorld world, WorldDevice? device, int change)
    {
        if (device is not null)
            device.Busy += change;
    }

    private static void Mapped(IsolationWorld world, WorldGuest guest, WorldDevice? device, ulong start, ulong length, DmaDirection direction, ulong address)
    {
        if (device?.Assignment.State != AssignmentState.Assigned || device.Assignment.Machine != guest.Machine || length == 0 || start + length > (ulong)guest.Pages * PageBytes)
        {
            world.Violate("I6", $"VM {guest.Name} mapped {length} bytes at {start:X}h for {(device is null ? "no device" : $"device {device.Name}")}, which it may not");
            return;
        }

        ulong firstPage = start / PageBytes;
        ulong[] frames = new ulong[((start + length - 1) / PageBytes) - firstPage + 1];
        for (ulong page = 0; page < (ulong)frames.Length; page++)
            frames[page] = guest.FrameOf((int)(firstPage + page)) >> 12;
        device.Add(new(address, start, length, direction, frames));
        if (!world.Program.Without.Contains(Protection.Pin))
            return;
        foreach (ulong frame in frames)
            world.Host.Frames.Unpin(new(frame << 12));
    }

    private static State StateOf(IsolationWorld world, VirtualMachine machine) =>
        new(world.Host.Frames.Pins, machine.PinnedPages, world.Host.Frames.CountOf(FrameOwner.Free), machine.Devices.Count);

    // What waits, of whichever VM, may end at any time.
    private static bool HasChanged(IsolationWorld world, State before, State after) => world.HasTimers
        ? after.Pins > before.Pins || after.PinnedPages > before.PinnedPages || after.Devices != before.Devices
        : after != before;

    private readonly record struct State(ulong Pins, ulong PinnedPages, ulong Free, int Devices);
}
