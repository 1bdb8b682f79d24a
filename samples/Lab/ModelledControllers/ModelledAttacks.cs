using System.Text;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A service VM that was broken into: it asks for what it may not have, and looks for a page that was taken away.</summary>
internal static class ModelledAttacks
{
    private const string Secret = "a secret of VM 2";
    private const string Marker = "VM 1 was here";
    private const ulong PageBytes = 4096;

    /// <summary>Its kernel, one of its processes, and another VM ask for pages.</summary>
    public static async Task<IReadOnlyList<StrangeCall>> AskForStrangers(ServiceMachine machine)
    {
        GuestCpu service = machine.Service.Machine.Cpu;
        VirtualMachine first = machine.Guests[0];
        ulong end = first.Memory.Bytes;
        ulong nobody = (ulong)machine.Guests.Count;
        return
        [
            await Call("a page of a VM that it models nothing for", service, Hypercall.ShowPage, nobody, 0),
            await Call($"a page behind the memory of {first.Name}", service, Hypercall.ShowPage, 0, end),
            await Call($"a page of {first.Name} where devices are", service, Hypercall.ShowPage, 0, MemoryLayout.BarStart),
            await Call("a page of such a VM for its controller", service, Hypercall.MapGuest, nobody, 0, PageBytes, (ulong)DmaDirection.FromDevice),
            await Call($"{first.Name} from its last byte on for its controller", service, Hypercall.MapGuest, 0, end - 1, PageBytes, (ulong)DmaDirection.FromDevice),
            new("its process reads behind its window", $"{machine.Monitors[0].Read(new(end), new byte[4])}", machine.Monitors[0].Read(new(end), new byte[4]) != DmaStatus.Success),
            await Call($"{machine.Guests[1].Name} itself asks for a page of {first.Name}", machine.Guests[1].Cpu, Hypercall.ShowPage, 0, 0),
        ];
    }

    /// <summary>The first VM gives a page up, and the VMM gives the frame to the second; then the process of the first looks for it.</summary>
    /// <param name="machine">The computer; nobody is at work.</param>
    /// <param name="page">The page, in the window.</param>
    public static async Task<StaleAttack> TakePage(ServiceMachine machine, GuestPhysicalAddress page)
    {
        (VirtualMachine first, VirtualMachine second, UserLevelMonitor monitor) = (machine.Guests[0], machine.Guests[1], machine.Monitors[0]);
        _ = monitor.Write(page, Encoding.ASCII.GetBytes(Marker));
        PhysicalAddress frame = first.Memory.Tables.Walk(page, EptRights.Read).Address;
        byte[] secret = Encoding.ASCII.GetBytes(Secret);
        _ = second.Cpu.TryWrite(new(0), secret);
        PageRefusal refusal = await first.Mover.Balloon(page);
        if (refusal == PageRefusal.None)
            refusal = await second.Mover.Move(new(0), frame);

        byte[] found = new byte[secret.Length];
        DmaStatus read = monitor.Read(page, found);
        _ = monitor.Write(page, Encoding.ASCII.GetBytes(Marker));
        byte[] left = new byte[secret.Length];
        _ = second.Cpu.TryRead(new(0), left);
        string text = read != DmaStatus.Success ? "nothing: the access is refused"
            : found.AsSpan().ContainsAnyExcept((byte)0) ? $"'{Encoding.ASCII.GetString(found)}'"
            : "zeros, of a new page of its own VM";
        string taken = refusal == PageRefusal.None ? $"taken, and given to {second.Name}" : $"stayed: {refusal}";
        return new($"{page}", $"{frame}", taken, text, found.AsSpan().SequenceEqual(secret), !left.AsSpan().SequenceEqual(secret));
    }

    private static async Task<StrangeCall> Call(string asked, GuestCpu cpu, Hypercall number, params ulong[] arguments)
    {
        HypercallResult result = await cpu.Call(
            number, arguments.ElementAtOrDefault(0), arguments.ElementAtOrDefault(1), arguments.ElementAtOrDefault(2), arguments.ElementAtOrDefault(3));
        return new(asked, $"{result.Refusal}", result.Refusal != DmaRefusal.None);
    }
}
