using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Several VMs share the bus of one controller: all but the first read their disks, and the first takes all it can get.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="policy">How asynchronous time is shared out.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class RegisterSetRun(int vms, SharingPolicy policy, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 50_000_000;
    private const int ReadBytes = 16 * 1024;

    /// <summary>Runs it.</summary>
    public RegisterSetReport Run()
    {
        using SharedMachine machine = new(vms, new() { Policy = policy }, seed, trace);
        return machine.Host.Loop.Run(() => Play(machine));
    }

    private async Task<RegisterSetReport> Play(SharedMachine machine)
    {
        SharedUsbController sharing = await machine.Start();
        Session[] sessions = new Session[vms];
        Guest greedy = await machine.Give(sharing, 0);
        for (int number = 1; number < vms; number++)
        {
            sessions[number] = await Session.Open(await machine.Give(sharing, number), number + 1);
            _ = await sessions[number].StartDisk();
            sharing.SetWeight(number, number);
        }

        // From here on it counts: the first VM begins, and the others never stop reading.
        ulong[] bytes = new ulong[vms];
        await GreedyGuest.Start(greedy);
        ulong startNs = machine.Host.Loop.NowNs;
        BusLedger ledger = machine.Account.Open(startNs);
        for (int number = 0; number < vms; number++)
            ledger.GapOf(number).Backlogged(startNs);
        bool[] isOver = [false];
        Task[] readers = [.. Enumerable.Range(1, vms - 1).Select(number => Read(machine, sessions[number], number, bytes, isOver))];
        await machine.Host.Cpu.Processor.Delay(WindowNs);
        isOver[0] = true;
        machine.Account.Close();
        machine.Note(0, "takes all it can get", startNs);
        RegisterSetReport report = Report(machine, ledger, bytes);

        // Who waits for a starved transfer is let go with the register set of the first VM.
        _ = await sharing.TakeBack(0);
        await Task.WhenAll(readers);
        return report;
    }

    private static async Task Read(SharedMachine machine, Session session, int number, ulong[] bytes, bool[] isOver)
    {
        MassStorageDriver disk = session.Disk!;
        MemoryBuffer buffer = session.Memory.Allocate(ReadBytes);
        ulong blocks = ReadBytes / (ulong)disk.BlockBytes;
        for (ulong block = 0; !isOver[0]; block = (block + blocks) % disk.BlockCount)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await disk.Read(block, buffer);
            if (!isOver[0])
                bytes[number] += ReadBytes;
            machine.Note(number, "read 16 KiB", startNs);
        }
    }

    private RegisterSetReport Report(SharedMachine machine, BusLedger ledger, ulong[] bytes)
    {
        ulong endNs = machine.Host.Loop.NowNs;
        return new(
            policy.ToString(),
            WindowNs,
            [.. machine.Machines.Select((vm, set) => new SetSummary(
                vm.Name, set == 0, Math.Max(set, 1), ledger.TimeOf(set), ledger.VisitsOf(set), bytes[set], ledger.GapOf(set).MaxUntil(endNs)))],
            ledger.Jain(),
            ledger.PeriodicLoadMax,
            machine.Account.Strip(),
            machine.Account.LastWhole());
    }
}
