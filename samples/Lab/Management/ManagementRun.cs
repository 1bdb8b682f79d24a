using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Three VMs and the host talk by management devices: files, chat, calculation, statistics; then one of them means no good.</summary>
/// <param name="options">What decides the run.</param>
public sealed class ManagementRun(ManagementOptions options)
{
    private const ulong MiB = 1 << 20;
    private const ulong QuotaBytes = 1 << 20;
    private const int Place = 4;
    private const int FileBytes = 200_000;
    private static readonly int[] _weights = [3, 1, 1];

    private readonly List<MessageArrow> _arrows = [];
    private readonly List<VirtualMachine> _machines = [];
    private readonly List<ManagementDriver> _drivers = [];

    /// <summary>Runs the scenario.</summary>
    public ManagementReport Run()
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 8 * MiB, Seed = options.Seed });
        host.Boot();
        ManagementCore core = new(host);
        MemoryFolder memory = new();
        memory.Put("motd.txt", "Hello from the host."u8);
        IGrantedFolder folder = options.Folder ?? memory;
        foreach (string name in (string[])["VM 1", "VM 2", "VM 3"])
        {
            VirtualMachine machine = host.CreateMachine(name, 8 * MiB);
            bool isFirst = _machines.Count == 0;
            _ = core.Plug(machine, Place, new() { Folder = isFirst ? folder : null, QuotaBytes = QuotaBytes, SeesOthers = isFirst });
            _machines.Add(machine);
        }

        using ManagementTimeline? timeline = options.Trace is { } trace ? new(trace, host, core) : null;
        return host.Loop.Run(() => Play(host, core, folder, timeline));
    }

    private async Task<ManagementReport> Play(Host host, ManagementCore core, IGrantedFolder folder, ManagementTimeline? timeline)
    {
        foreach (VirtualMachine machine in _machines)
            _drivers.Add(await Start(machine));
        FolderSummary files = await MoveFiles(host, core, folder);
        await Talk(host, core);
        ManagementAttacks attacks = new(_drivers, () => core.InboxOf(_machines[1]));
        IReadOnlyList<RefusalLine> tried = await attacks.Run(folder.IsWritable);
        ManagementFigures figures = await new ManagementMeasurement(_machines, _drivers, core).Run();
        IReadOnlyList<ShareLine> shares = await Share(host, core, timeline);
        return new(
            Participants(core), _arrows, files with { QuotaLeft = core.QuotaLeftOf(_machines[0]) }, tried, shares, figures, host.Loop.NowNs, options.Seed);
    }

    private static async ValueTask<ManagementDriver> Start(VirtualMachine machine)
    {
        IdentityDmaSpace memory = new(machine.Cpu, new(new(MiB), 7 * MiB));
        PciDevice device = PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), new(0, Place, 0), memory, vector: 0x40);
        return await ManagementDriver.Start(device, ManagementModes.All);
    }

    private async ValueTask<FolderSummary> MoveFiles(Host host, ManagementCore core, IGrantedFolder folder)
    {
        ManagementFiles files = new(_drivers[0]);
        byte[] content = new byte[FileBytes];
        host.RandomFor("a file").NextBytes(content);
        bool isWhole = true;
        if (folder.IsWritable)
        {
            isWhole = await files.Upload("data.bin", content) == ManagementResult.Done
                && (await files.Download("data.bin", chunk: 10_000)).Bytes.Span.SequenceEqual(content);
        }

        return new(
            options.FolderName, await files.List(), QuotaBytes, core.QuotaLeftOf(_machines[0]), folder.IsWritable ? (ulong)FileBytes : 0, isWhole);
    }

    // VM 2 publishes a name and waits; VM 1 finds it; both talk to the host, and the host to VM 3.
    private async ValueTask Talk(Host host, ManagementCore core)
    {
        ManagementChat one = new(_drivers[0]), two = new(_drivers[1]), three = new(_drivers[2]);
        _ = await two.Publish("printer");
        uint printer = await one.Find("printer") ?? 0;
        Task<ManagementReply> waiting = two.Receive().AsTask();
        await Send(host, 1, printer, "page 1 of 2", one);
        _ = await waiting;
        waiting = two.Receive().AsTask();
        await Send(host, 1, printer, "page 2 of 2", one);
        _ = await waiting;
        Task printed = Send(host, 2, ManagementChat.Host, "printed 2 pages", two).AsTask();
        _ = await core.Mailbox.WaitForMessage();
        _ = core.Mailbox.TryReceive(out _, out _);
        await printed;
        waiting = three.Receive().AsTask();
        ManagementResult told = await core.Mailbox.Send(3, "are you there?"u8.ToArray());
        _arrows.Add(new(host.Loop.NowNs, ManagementCore.HostNumber, 3, "are you there?", $"{told}"));
        _ = await waiting;
    }

    private async ValueTask Send(Host host, uint from, uint to, string what, ManagementChat chat)
    {
        ManagementResult result = await chat.Send(to, Encoding.UTF8.GetBytes(what));
        _arrows.Add(new(host.Loop.NowNs, from, to, what, $"{result}"));
    }

    private async ValueTask<IReadOnlyList<ShareLine>> Share(Host host, ManagementCore core, ManagementTimeline? timeline)
    {
        ShareScheduler scheduler = new(host.Cpu.Processor, quantumNs: 100_000, staleNs: 8_000_000) { Statistics = core };
        for (int number = 0; number < _machines.Count; number++)
            scheduler.Add(_machines[number], _weights[number]);
        scheduler.Start();
        List<ShareLine> lines = [];
        ulong endless = 1_000_000_000;
        await Phase("all are busy", [endless, endless, endless]);
        await Phase("VM 1 is idle", [0, endless, endless]);
        await Phase("VM 2 says nothing more", [endless, null, endless]);
        scheduler.Stop();
        return lines;

        async ValueTask Phase(string name, ulong?[] work)
        {
            for (int number = 0; number < work.Length; number++)
            {
                if (work[number] is { } workNs)
                    _ = await new ManagementReports(_drivers[number]).Report(new() { WorkNs = workNs, Pages = 2048 });
            }

            ulong[] before = [.. _machines.Select(machine => machine.Schedule.RunTimeNs)];
            ulong startNs = host.Loop.NowNs;
            await host.Cpu.Processor.Delay(5_000_000);
            ulong[] ran = [.. _machines.Select((machine, number) => machine.Schedule.RunTimeNs - before[number])];
            double all = Math.Max(ran.Aggregate(0ul, (sum, one) => sum + one), 1);
            for (int number = 0; number < ran.Length; number++)
            {
                ManagementStatistics known = core.StatisticsOf(_machines[number]) ?? default;
                lines.Add(new(name, _machines[number].Name, _weights[number], known.WorkNs, known.ReportedAgeNs, ran[number], Math.Round(ran[number] / all, 3)));
            }

            timeline?.Phase(name, startNs, [.. lines.TakeLast(work.Length)]);
        }
    }

    private List<ParticipantLine> Participants(ManagementCore core)
    {
        List<ParticipantLine> lines = [new(ManagementCore.HostNumber, "host", NamesOf(core, ManagementCore.HostNumber), core.Mailbox.Count, 0)];
        for (int number = 0; number < _machines.Count; number++)
        {
            ManagementCounts counts = core.Counts[number];
            lines.Add(new(counts.Number, counts.Machine, NamesOf(core, counts.Number), core.InboxOf(_machines[number]), counts.RequestsFinished));
        }

        return lines;
    }

    private static IReadOnlyList<string> NamesOf(ManagementCore core, uint number) =>
        [.. core.Names.Where(entry => entry.Value == number).Select(entry => entry.Key)];
}
