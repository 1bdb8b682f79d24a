using Dma.Hal.Spec;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>VMs read their disks through a service VM, one of them asks one thing alone, one plays sound, and the service VM may crash.</summary>
/// <param name="options">The computer.</param>
/// <param name="batch">How many requests each VM makes at a time.</param>
/// <param name="crashes">Whether the service VM crashes in the end.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class ServiceRun(ServiceMachineOptions options, int batch, bool crashes, Stream? trace)
{
    /// <summary>The most requests at a time that a ring has places for, beside those that end a read.</summary>
    public const int BatchMax = 14;

    private const int RequestBytes = 60 * 1024;
    private const ulong WindowNs = 200_000_000;
    private const ulong ColumnNs = 250_000;
    private const int Columns = 96;
    private const ulong TellNsMax = 1_000_000_000;
    private const int DepthMax = 12;
    private const string Levels = " 123456789ABCDEF#";

    /// <summary>Runs it.</summary>
    public ServiceReport Run()
    {
        using ServiceMachine machine = new(options with { Trace = MachineTimeline.TraceFor(trace) });
        byte[][] contents = [.. Enumerable.Range(0, options.Vms).Select(guest => Plug(machine, guest))];
        LookAheadReport lookAhead = PlaySound();
        return machine.Host.Loop.Run(() => Play(machine, contents, lookAhead));
    }

    private byte[] Plug(ServiceMachine machine, int guest)
    {
        byte[] content = new byte[4 * batch * RequestBytes];
        machine.Host.RandomFor($"disk {guest}").NextBytes(content);
        machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(content)));
        return content;
    }

    private async Task<ServiceReport> Play(ServiceMachine machine, byte[][] contents, LookAheadReport lookAhead)
    {
        await machine.StartService();
        using MachineTimeline? timeline = machine.StartTimeline(trace);
        ServiceGuest[] guests = [.. contents.Select((content, number) => new ServiceGuest(machine, number, content, batch * RequestBytes))];
        foreach (ServiceGuest guest in guests)
            await guest.Start();

        // Alone first, so that one request is seen from its beginning to its end.
        await machine.Host.Loop.Delay(ColumnNs);
        RequestSequence sequence = new(machine, 0);
        machine.Watch = sequence;
        await guests[0].Ask();
        IReadOnlyList<SequenceStep> steps = sequence.End(machine.Guests[0].Name);
        machine.Watch = null;

        // Then all together.
        bool[] isOver = [false];
        Task<bool>[] reading = [.. guests.Select((guest, number) => guest.Read(() => isOver[0], timeline is null ? null : startNs => timeline.Note(number, "read", startNs)))];
        (ServiceCounts before, ulong switches) = (machine.Service.Counts, machine.Host.SharedProcessor?.Switches ?? 0);
        foreach (ServiceGuest guest in guests)
            guest.Begin();
        _ = machine.Account.Open(machine.Host.Loop.NowNs);
        string[] occupancy = await Observe(machine, guests, timeline);
        machine.Account.Close();
        (ServiceCounts after, ulong switched) = (machine.Service.Counts, (machine.Host.SharedProcessor?.Switches ?? 0) - switches);
        ServiceSummary[] sums = [.. guests.Select(guest => guest.Sum())];
        double requests = Math.Max(1, sums.Sum(sum => (double)sum.Requests));
        double bytes = Math.Max(1, sums.Sum(sum => (double)sum.Bytes));
        CrashSummary? crash = crashes ? await Crash(machine, guests, reading) : null;
        isOver[0] = true;
        _ = await Task.WhenAll(reading);
        return new(
            options.Controller,
            options.Service.Transport == ServiceTransport.Call ? "rpc" : "ring",
            options.BackEnd.CopiedBytesMax == 0 ? "map" : "copy",
            batch,
            WindowNs,
            sums,
            (int)SharedRing.CountOf(UrbRequest.Size),
            occupancy,
            ColumnNs,
            machine.Account.Strip(),
            steps,
            (ulong)requests,
            (after.NotificationsToService - before.NotificationsToService + after.NotificationsToFrontEnds - before.NotificationsToFrontEnds) / requests,
            switched / requests,
            (after.Maps - before.Maps) / requests,
            (after.BytesCopied - before.BytesCopied) / bytes,
            Fairness.Jain([.. sums.Select(sum => (double)sum.Bytes)]),
            lookAhead,
            crash,
            machine.Host.Faults.Total);
    }

    private static async Task<string[]> Observe(ServiceMachine machine, ServiceGuest[] guests, MachineTimeline? timeline)
    {
        List<char>[] lines = [.. guests.Select(_ => new List<char>())];
        TimelineTrack rings = timeline?.Timeline.Track("service VM", "requests without an answer") ?? default;
        for (ulong passedNs = 0; passedNs < WindowNs; passedNs += ColumnNs)
        {
            await machine.Host.Loop.Delay(ColumnNs);
            for (int number = 0; number < guests.Length; number++)
            {
                int outstanding = machine.BackEnd.OutstandingOf(number);
                guests[number].OutstandingMax = Math.Max(guests[number].OutstandingMax, outstanding);
                lines[number].Add(Levels[Math.Min(outstanding, Levels.Length - 1)]);
                timeline?.Timeline.Counter(rings, machine.Guests[number].Name, machine.Host.Loop.NowNs, outstanding);
            }
        }

        return [.. lines.Select(line => string.Concat(line.TakeLast(Columns)))];
    }

    private static async Task<CrashSummary> Crash(ServiceMachine machine, ServiceGuest[] guests, Task<bool>[] reading)
    {
        int outstanding = Enumerable.Range(0, guests.Length).Sum(machine.BackEnd.OutstandingOf);
        ulong startNs = machine.Host.Loop.NowNs;
        await machine.CrashService();
        ulong pins = machine.Host.Frames.Pins;
        bool isBack = machine.Controller is { State: AssignmentState.Host, Domain: null };
        while (reading.Any(read => !read.IsCompleted) && machine.Host.Loop.NowNs - startNs < TellNsMax)
            await machine.Host.Loop.Delay(ColumnNs);
        ulong toldNs = machine.Host.Loop.NowNs - startNs;
        foreach (ServiceGuest guest in guests)
            await guest.Stop();

        // The same devices, by the next service VM.
        ulong againNs = machine.Host.Loop.NowNs;
        await machine.StartService();
        int readAgain = 0;
        foreach (ServiceGuest guest in guests)
        {
            await guest.Start();
            int left = 2;
            readAgain += await guest.Read(() => left-- == 0) && guest.Problem.Length == 0 ? 1 : 0;
        }

        return new(outstanding, toldNs, pins, isBack, machine.Host.Loop.NowNs - againNs, readAgain, guests.Length);
    }

    // A VM that has nothing else to do, so that what is measured is the way and no waiting for others.
    private LookAheadReport PlaySound()
    {
        using ServiceMachine machine = new(options with { Vms = 1 });
        machine.Plug(0, new AudioSinkDevice(machine.Host.Loop, new PcmRecording(frameBytes: 4)));
        LookAheadProbe probe = new(machine, guest: 0);
        machine.Watch = probe;
        return machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            return await probe.Play(await machine.StartGuest(0), port: 1, DepthMax);
        });
    }
}
