using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Measures device models in a user-level monitor, and tries to read another VM through its window.</summary>
/// <param name="controller">One of <see cref="UsbControllers.Names"/>.</param>
/// <param name="options">How the monitor works where the window is watched and the attack is tried.</param>
/// <param name="blocks">How many blocks of the disk each read takes.</param>
/// <param name="seed">What bytes come from.</param>
/// <param name="trace">Where a timeline of that is written, or null.</param>
internal sealed class MonitorRun(string controller, MonitorOptions options, int blocks, ulong seed, Stream? trace)
{
    /// <summary>The most blocks of a read: 64 KiB.</summary>
    public const int BlocksMax = 128;

    /// <summary>The blocks of a read where nothing else is said: 4 KiB.</summary>
    public const int UsualBlocks = 8;

    private const int BlockBytes = 512;
    private const int Reads = 64;
    private const string Secret = "a secret of VM 2";
    private const string Marker = "VM 1 was here";

    private readonly int _pieceBytes = blocks * BlockBytes;

    /// <summary>Runs it.</summary>
    public MonitorReport Run()
    {
        // Data of an xHCI controller is always copied.
        MonitorOptions[] inPlace = controller == UsbControllers.Ehci ? [new() { IsZeroCopy = true }] : [];
        MonitorOptions[] ways = [new(), .. inPlace, new() { Access = MonitorAccess.SystemCall }];
        MonitorWork[] work = [.. ways.Select(way => In(way with { WindowPages = options.WindowPages }, machine => Work(machine, way)))];
        MonitorTransfer[] transfers =
        [
            In(new() { Access = MonitorAccess.SystemCall }, machine => Transfer(machine, "copied by system call", isDirect: false)),
            In(new(), machine => Transfer(machine, "copied through the window", isDirect: false)),
            In(new(), machine => Transfer(machine, "list of window pages", isDirect: true)),
        ];
        (BusStrip strip, WindowLine window, WindowMap[] maps, StaleAttack attack) = In(options, Attack, trace);
        return new(controller, options.Access, options.IsZeroCopy, _pieceBytes, options.WindowPages, options.ShootDown, work, transfers, strip, window, maps, attack, seed);
    }

    private T In<T>(MonitorOptions how, Func<MonitorMachine, Task<T>> play, Stream? output = null)
    {
        using MonitorMachine machine = new(controller, how, seed, output);
        return machine.Host.Loop.Run(() => play(machine));
    }

    private async Task<MonitorWork> Work(MonitorMachine machine, MonitorOptions way)
    {
        (MassStorageDriver disk, IDmaSpace memory) = await machine.Start();
        MemoryBuffer buffer = memory.Allocate(_pieceBytes);
        bool isRight = await Read(machine, disk, buffer, 0);
        MonitorCounts counts = machine.Monitor.Counts;
        (ulong warm, ulong upcalls, ulong accesses, ulong calls, ulong interrupts) = (counts.Faults, counts.Upcalls, counts.Accesses, counts.SystemCalls, counts.Interrupts);
        ulong exits = machine.Machine.Cpu.Processor.Meter[Cost.Exit];
        MonitorCharges charges = new(machine.Host.Options.Costs, machine.Monitor.Processor);
        for (int read = 1; read <= Reads; read++)
            isRight &= await Read(machine, disk, buffer, read);
        return new(
            way.Access,
            way.IsZeroCopy,
            isRight,
            Reads,
            warm,
            counts.Faults - warm,
            (machine.Machine.Cpu.Processor.Meter[Cost.Exit] - exits) / (double)Reads,
            (counts.Upcalls - upcalls) / (double)Reads,
            (counts.Accesses - accesses) / (double)Reads,
            (counts.SystemCalls - calls) / (double)(counts.Accesses - accesses),
            (counts.Interrupts - interrupts) / (double)Reads,
            charges[Cost.CopiedByte] / (double)(Reads * _pieceBytes),
            charges.Cycles / Reads);
    }

    private async Task<bool> Read(MonitorMachine machine, MassStorageDriver disk, MemoryBuffer buffer, int piece)
    {
        byte[] got = new byte[_pieceBytes];
        int first = FirstBlock(machine, piece);
        await disk.Read((ulong)first, buffer);
        buffer.Read(0, got);
        return got.AsSpan().SequenceEqual(machine.Content.AsSpan(first * BlockBytes, _pieceBytes));
    }

    // At the end of the disk it goes on at its beginning.
    private int FirstBlock(MonitorMachine machine, int piece) => piece * blocks % ((machine.Content.Length / BlockBytes) - blocks);

    private async Task<MonitorTransfer> Transfer(MonitorMachine machine, string way, bool isDirect)
    {
        await machine.Stack.Start();
        HostDiskReader disk = await machine.OpenHostDisk();
        UserLevelMonitor monitor = machine.Monitor;
        GuestPhysicalAddress at = new(2 << 20);
        ScatterList list = monitor.Gather(at, _pieceBytes);
        bool isRight = await Move(0);
        (ulong faults, ulong calls) = (monitor.Counts.Faults, monitor.Counts.SystemCalls);
        MonitorCharges charges = new(machine.Host.Options.Costs, monitor.Processor, machine.Host.Cpu.Processor);
        for (int piece = 1; piece <= Reads; piece++)
            isRight &= await Move(piece);
        return new(
            way,
            isRight,
            Reads,
            monitor.Counts.Faults - faults,
            (monitor.Counts.SystemCalls - calls) / (double)Reads,
            charges[Cost.CopiedByte] / (double)(Reads * _pieceBytes),
            charges[Cost.Invalidation] / (double)Reads,
            charges.Cycles / Reads);

        async Task<bool> Move(int piece)
        {
            int first = FirstBlock(machine, piece);
            bool isDone = await disk.Read(
                (uint)first,
                _pieceBytes,
                (device, endpoint) => isDirect ? monitor.Transfers.Direct(device, endpoint, list) : monitor.Transfers.Copied(device, endpoint, list));
            byte[] got = new byte[_pieceBytes];
            return isDone && machine.Machine.Cpu.TryRead(at, got) && got.AsSpan().SequenceEqual(machine.Content.AsSpan(first * BlockBytes, _pieceBytes));
        }
    }

    private async Task<(BusStrip, WindowLine, WindowMap[], StaleAttack)> Attack(MonitorMachine machine)
    {
        using MonitorTimeline? timeline = machine.Timeline is null ? null : new(machine, machine.Timeline);
        (MassStorageDriver disk, IDmaSpace memory) = await machine.Start();
        _ = machine.Account.Open(machine.Host.Loop.NowNs);
        MemoryBuffer buffer = memory.Allocate(_pieceBytes);
        for (int piece = 0; piece < Reads; piece++)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            _ = await Read(machine, disk, buffer, piece);
            timeline?.Read(startNs);
        }

        machine.Account.Close();
        WindowMap before = WindowMaps.Of(machine, "after the work");
        (WindowMap after, StaleAttack attack) = await Attack(machine, buffer.Address);
        MonitorCounts counts = machine.Monitor.Counts;
        WindowLine window = new(machine.Monitor.PagesPresent, counts.Faults, counts.RefusedFaults, counts.Evictions, counts.ShootDowns, machine.Monitor.Generation);
        return (machine.Account.Strip(), window, [before, after], attack);
    }

    // The guest gives the page of its buffer up, which the model wrote a moment ago; the VMM gives the frame to VM 2.
    private static async Task<(WindowMap, StaleAttack)> Attack(MonitorMachine machine, GuestPhysicalAddress page)
    {
        PhysicalAddress frame = machine.Machine.Memory.Tables.Walk(page, EptRights.Read).Address;
        byte[] secret = Encoding.ASCII.GetBytes(Secret);
        _ = machine.Other.Cpu.TryWrite(new(0), secret);
        PageRefusal refusal = await machine.Machine.Mover.Balloon(page);
        PageRefusal given = refusal == PageRefusal.None ? await machine.Other.Mover.Move(new(0), frame) : refusal;
        WindowMap map = WindowMaps.Of(machine, "after the page was taken away, before the monitor looks for it");

        // A monitor that was broken into reads there, and writes.
        byte[] found = new byte[secret.Length];
        DmaStatus read = machine.Monitor.Read(page, found);
        _ = machine.Monitor.Write(page, Encoding.ASCII.GetBytes(Marker));
        byte[] left = new byte[secret.Length];
        _ = machine.Other.Cpu.TryRead(new(0), left);
        string text = read != DmaStatus.Success ? "nothing: the access is refused"
            : found.AsSpan().ContainsAnyExcept((byte)0) ? $"'{Encoding.ASCII.GetString(found)}'"
            : "zeros, of a new page of its own VM";
        string ballooned = given == PageRefusal.None ? $"taken, and given to {machine.Other.Name}" : $"stayed: {given}";
        return (map, new($"{page}", $"{frame}", ballooned, text, found.AsSpan().SequenceEqual(secret), !left.AsSpan().SequenceEqual(secret)));
    }
}
