using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The same driver reads the same disk while registers trap, and while they are polled in each way.</summary>
/// <param name="controller">One of <see cref="UsbControllers.Names"/>.</param>
/// <param name="options">How the poller works.</param>
/// <param name="seed">What the bytes of the disk come from.</param>
/// <param name="trace">Where a timeline of the way with the ring is written, or null.</param>
internal sealed class PollingRun(string controller, PollingOptions options, ulong seed, Stream? trace)
{
    private const int DiskBytes = 512 * 1024;
    private const int ReadBytes = 16 * 1024;
    private const int BlockBytes = 512;
    private const ulong GuestBytes = 4 << 20;
    private const byte Vector = 0x40;

    // One that others came before.
    private const int ClockedRead = 2;

    private static readonly SourceId _place = new(0, 4, 0);
    private static readonly int[] _devices = [1, 2, 4, 8];
    private static readonly double[] _rates = [1e3, 1e4, 1e5, 3e5, 1e6, 3e6];

    /// <summary>Runs it.</summary>
    public PollingReport Run()
    {
        (PollingWay Way, double ExitsPerSecond, double BurnedNsPerSecond, AccessClock Clock)[] results =
            [.. Enum.GetValues<PolledAccess>().Select(access => Run(access, access == PolledAccess.WriteRing ? trace : null))];
        ulong exitNs = CostModel.Default.ExitNs;
        bool canNap = options.IdleTurnsMax is not null;
        BreakEven awake = new(exitNs, 1e9, Devices: 1);
        BreakEven naps = canNap ? new(exitNs, results[(int)PolledAccess.WriteRing].BurnedNsPerSecond, Devices: 1) : awake;
        AccessClock trapped = results[(int)PolledAccess.Trapped].Clock, polled = results[(int)PolledAccess.WriteRing].Clock;
        return new(
            controller,
            options.PeriodNs,
            canNap,
            [.. results.Select(result => result.Way)],
            [.. _rates.Select(rate => new BreakEvenRow(rate, naps.TrapPart(rate), naps.PollPart, awake.PollPart))],
            naps.ExitsPerSecond,
            awake.ExitsPerSecond,
            [.. _devices.Select(devices => new DevicesRow(devices, (naps with { Devices = devices }).ExitsPerSecondAndDevice, (awake with { Devices = devices }).ExitsPerSecondAndDevice))],
            results[(int)PolledAccess.Trapped].ExitsPerSecond,
            Registers(),
            [.. Enumerable.Range(0, Math.Max(trapped.Stores.Count, polled.Stores.Count)).Select(at => new ClockRow(trapped.Stores.ElementAtOrDefault(at), polled.Stores.ElementAtOrDefault(at)))],
            [trapped.EndNs, polled.EndNs],
            [.. Enum.GetValues<PolledAccess>().Select(new DoubleWriteRun(controller, options).Run)]);
    }

    private (PollingWay, double, double, AccessClock) Run(PolledAccess access, Stream? stream)
    {
        using Host host = new(new() { MemoryBytes = 64 << 20, VmmBytes = 32 << 20, Seed = seed });
        host.Boot();
        byte[] content = new byte[DiskBytes];
        host.RandomFor("disk").NextBytes(content);
        UsbController built = UsbControllers.Create(controller, host.Loop);
        MassStorageDevice disk = new(new MemoryDiskImage(content));
        built.FreePortFor(disk.Speed)!.Plug(disk);
        VirtualMachine vm = host.CreateMachine("VM 1", GuestBytes);
        RegisterPoller poller = new(host, options);
        PolledRegisters registers = poller.Plug(vm, built.Function, _place, access);
        using MachineTimeline? timeline = stream is null ? null : new(stream, host);
        PacketOwners packets = new(host.Loop, account: null) { Timeline = timeline is null ? null : new(timeline.Timeline, [vm.Name]) };
        packets.Add(disk, number: 0);
        foreach ((_, UsbBus bus) in built.Buses)
            packets.Watch(bus);
        return host.Loop.Run(() => Play(host, vm, poller, registers, PolledRegisterMap.Of(built.Function).Cells, content, timeline));
    }

    private static async Task<(PollingWay, double, double, AccessClock)> Play(
        Host host, VirtualMachine vm, RegisterPoller poller, PolledRegisters registers, IReadOnlyList<PolledCell> cells, byte[] content, MachineTimeline? timeline)
    {
        IdentityDmaSpace dma = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), GuestBytes - (1 << 20)));
        StoreWatch watch = new(registers, cells, host.Loop, timeline?.Timeline);
        IDevice device = watch.Watch(new ExitlessDevice(vm.Cpu, PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), _place, dma, Vector)));
        string outcome = "read its disk, byte for byte";
        AccessClock clock = new(0);
        bool isSame = true;
        int done = 0;
        (ulong exits, ulong startNs, ulong burnedNs) = (0, host.Loop.NowNs, 0);
        try
        {
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(await UsbHostControllers.Start(device), 1));
            MemoryBuffer buffer = dma.Allocate(ReadBytes);
            byte[] got = new byte[ReadBytes];
            (exits, startNs, burnedNs) = (vm.Cpu.Processor.Meter[Cost.Exit], host.Loop.NowNs, poller.Counts.BurnedNs);
            for (; done < content.Length / ReadBytes; done++)
            {
                ulong beganNs = host.Loop.NowNs;
                if (done == ClockedRead)
                    watch.Clock = clock = new(registers.MappedPages == 0 ? device.Processor.NowNs : host.Loop.NowNs);
                await disk.Read((ulong)(done * ReadBytes / BlockBytes), buffer);
                if (done == ClockedRead)
                    clock.End(device.Processor.NowNs);
                timeline?.Note(0, "read 16 KiB", beganNs);
                buffer.Read(0, got);
                isSame &= got.AsSpan().SequenceEqual(content.AsSpan(done * ReadBytes, ReadBytes));
            }
        }
        catch (DriverException failure)
        {
            (outcome, isSame) = ($"the driver gives up: {failure.Failure}", false);
        }

        exits = done == 0 ? 0 : vm.Cpu.Processor.Meter[Cost.Exit] - exits;
        ulong tookNs = host.Loop.NowNs - startNs;
        double burned = registers.Cells.Count == 0 || done == 0 ? 0 : (poller.Counts.BurnedNs - burnedNs) / (double)tookNs;
        await host.Cpu.Processor.Delay(2 * poller.Options.NapNs);
        PollingWay way = new(
            registers.Access.ToString(),
            isSame,
            isSame || done == 0 ? outcome : "read wrong bytes",
            registers.MappedPages,
            done == 0 ? 0 : (double)exits / done,
            done == 0 ? 0 : tookNs / (ulong)done,
            watch.MeanNs,
            watch.MaxNs,
            burned,
            watch.End());
        return (way, exits * 1e9 / tookNs, burned * 1e9, clock);
    }

    private List<RegisterRow> Registers() =>
    [
        .. PolledRegisterMap.Of(UsbControllers.Create(controller, new()).Function).Cells
            .GroupBy(cell => cell.Class)
            .OrderBy(group => group.Key)
            .Select(group => new RegisterRow(group.Key.ToString(), group.Count(), string.Join(", ", group.Select(cell => cell.Name).Take(4)))),
    ];
}
