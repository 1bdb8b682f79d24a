using System.Buffers.Binary;
using Dma.Drivers;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The figures of the mechanism: what a message and a request take, and how even the core serves.</summary>
/// <param name="machines">The VMs.</param>
/// <param name="drivers">Their drivers.</param>
/// <param name="core">The core.</param>
internal sealed class ManagementMeasurement(IReadOnlyList<VirtualMachine> machines, IReadOnlyList<ManagementDriver> drivers, ManagementCore core)
{
    private const int Messages = 200;
    private const int MessageBytes = 4096;
    private const int LargeMessages = 20;
    private const int Calculations = 100;
    private const ulong BacklogNs = 500_000;

    private readonly EventLoop _loop = drivers[0].Processor.Loop;

    /// <summary>Measures.</summary>
    public async ValueTask<ManagementFigures> Run()
    {
        (ulong exits, ulong interrupts, ulong copied) = (Sum(Cost.Exit), Sum(Cost.InterruptInjection), Copied());
        (bool isWhole, double latencyNs) = await MoveMessages(Messages, MessageBytes);
        exits = Sum(Cost.Exit) - exits;
        interrupts = Sum(Cost.InterruptInjection) - interrupts;
        copied = Copied() - copied;
        double bytes = (double)Messages * MessageBytes;
        (bool isLargeWhole, double largeLatencyNs) = await MoveMessages(LargeMessages, ManagementDevice.TransferBytesMax);
        return new(
            Messages,
            isWhole && isLargeWhole,
            exits / (double)Messages,
            interrupts / (double)Messages,
            Math.Round(bytes / exits, 1),
            copied / bytes,
            Math.Round(latencyNs),
            Math.Round(largeLatencyNs),
            Math.Round(await Calculate()),
            await AskForStatistics(),
            Math.Round(await Backlog(), 4));
    }

    private async ValueTask<(bool IsWhole, double LatencyNs)> MoveMessages(int count, int length)
    {
        ManagementChat one = new(drivers[0]), two = new(drivers[1]);
        bool isWhole = true;
        ulong taken = 0;
        byte[] message = new byte[length];
        for (int number = 0; number < count; number++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(message, number);
            Task<ManagementReply> waiting = two.Receive().AsTask();
            ulong start = _loop.NowNs;
            Task<ManagementResult> sent = one.Send(2, message).AsTask();
            ManagementReply got = await waiting;
            taken += _loop.NowNs - start;
            isWhole &= await sent == ManagementResult.Done && got.Completion.Source == 1 && got.Output.Span.SequenceEqual(message);
        }

        return (isWhole, taken / (double)count);
    }

    private async ValueTask<double> Calculate()
    {
        ManagementCalculator calculator = new(drivers[0]);
        ulong start = _loop.NowNs;
        for (int number = 0; number < Calculations; number++)
            _ = await calculator.Crc32C(new byte[64]);
        return (_loop.NowNs - start) / (double)Calculations;
    }

    private async ValueTask<ulong> AskForStatistics()
    {
        ulong oldest = 0;
        for (int asked = 0; asked < 20; asked++)
        {
            await drivers[0].Processor.Delay(30_000);
            ManagementStatistics? known = await new ManagementReports(drivers[0]).Query(2);
            oldest = Math.Max(oldest, known?.MeasuredAgeNs ?? 0);
        }

        return oldest;
    }

    // Each VM keeps requests under way, VM 3 four times as many as the others; who is served how often?
    private async ValueTask<double> Backlog()
    {
        ulong[] before = [.. core.Counts.Select(counts => counts.RequestsFinished)];
        ulong end = _loop.NowNs + BacklogNs;
        List<Task> workers = [];
        for (int number = 0; number < machines.Count; number++)
        {
            ManagementCalculator calculator = new(drivers[number]);
            for (int worker = 0; worker < (number == 2 ? 24 : 6); worker++)
                workers.Add(Work(calculator));
        }

        await drivers[0].Processor.Delay(BacklogNs);
        double[] done = [.. core.Counts.Select((counts, number) => (double)(counts.RequestsFinished - before[number]))];
        await Task.WhenAll(workers);
        return done.Sum() * done.Sum() / (done.Length * done.Sum(one => one * one));

        async Task Work(ManagementCalculator calculator)
        {
            while (_loop.NowNs < end)
                _ = await calculator.Sha256(new byte[16_384]);
        }
    }

    private ulong Sum(Cost cost) => machines.Aggregate(0ul, (sum, machine) => sum + machine.Cpu.Processor.Meter[cost]);

    private ulong Copied() => core.Counts.Aggregate(0ul, (sum, counts) => sum + counts.BytesCopied);
}
