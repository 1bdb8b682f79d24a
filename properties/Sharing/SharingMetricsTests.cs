using System.Text.Json;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What sharing is measured by, and the timeline that shows it.</summary>
public sealed class SharingMetricsTests
{
    [Fact]
    public void Jains_index_is_one_for_equal_shares_one_nth_for_one_share_and_between_them_otherwise() => Property.Check(
        Gen.Choose(0, 1000).NonEmptyListOf(),
        shares =>
        {
            double index = Fairness.Jain([.. shares.Select(share => (double)share)]);
            Assert.InRange(index, (1.0 / shares.Count) - 1e-9, 1 + 1e-9);
            Assert.Equal(1, Fairness.Jain([.. shares.Select(_ => 7.0)]), 9);
            Assert.Equal(1.0 / shares.Count, Fairness.Jain([5, .. new double[shares.Count - 1]]), 9);
        });

    [Fact]
    public void A_gap_is_the_longest_wait_with_work()
    {
        ServiceGap gap = new();
        gap.Served(0, 100);
        gap.Backlogged(200);
        gap.Served(250, 300);
        Assert.Equal(50ul, gap.MaxNs);
        gap.Served(450, 500);
        Assert.Equal(150ul, gap.MaxNs);
        Assert.Equal(500ul, gap.MaxUntil(1000));
        gap.Idle();
        Assert.Equal(150ul, gap.MaxUntil(1000));
        gap.Backlogged(2000);
        gap.Served(2000, 2010);
        Assert.Equal(150ul, gap.MaxNs);
    }

    [Fact]
    public void Latency_is_counted_in_microframes_that_were_begun() => Property.Check(
        Gen.Choose(0, 200_000_000).NonEmptyListOf(),
        times =>
        {
            LatencyMeter meter = new();
            foreach (int time in times)
                meter.Add((ulong)time);
            ulong[] sorted = [.. times.Select(time => (ulong)((time + 124_999) / 125_000)).Order()];
            Assert.Equal(sorted[^1], meter.Max);
            Assert.Equal(sorted.Average(time => (double)time), meter.Mean, 6);
            ulong half = sorted[(int)Math.Ceiling(0.5 * sorted.Length) - 1];
            Assert.Equal(half < 1024 ? half : meter.Max, meter.Percentile(0.5));
            Assert.Equal(sorted[^1], meter.Percentile(1));
        });

    [Fact]
    public void A_ledger_adds_up_what_each_set_had()
    {
        BusLedger ledger = new(2, originNs: 1000, microframes: 4);
        ledger.BusUsed(new(0, 1000, 50_000, IsPeriodic: true));
        ledger.BusUsed(new(1, 60_000, 30_000, IsPeriodic: true));
        ledger.BusUsed(new(1, 100_000, 10_000, IsPeriodic: false));
        Assert.Equal(((50_000u, 0u), (30_000u, 10_000u)), (ledger.In(0, 0), ledger.In(0, 1)));
        Assert.Equal(0.8, ledger.PeriodicLoadMax, 9);
        ledger.BusUsed(new(0, 1000 + (4 * 125_000), 1, IsPeriodic: false));
        Assert.Equal((default, (0u, 1u)), (ledger.In(0, 1), ledger.In(4, 0)));
        Assert.Equal((50_001ul, 40_000ul, 2ul), (ledger.TimeOf(0), ledger.TimeOf(1), ledger.VisitsOf(1)));
    }

    [Fact]
    public void A_timeline_is_what_the_trace_event_format_asks_for()
    {
        using MemoryStream stream = new();
        using (Timeline timeline = new(stream))
        {
            EventLoop loop = new();
            SharingTimeline sharing = new(timeline, loop, ["VM 1", "VM \"2\""]);
            sharing.BusUsed(new(1, 125_001, 10_250, IsPeriodic: false));
            sharing.AddressZeroMoved(1, 0);
            sharing.TokenHandled(new(0, new(UsbPid.In, 1, 2), null, UsbPid.None));
            sharing.TokenHandled(new(0, new(UsbPid.In, 1, 2), new(UsbPid.In, 65, 2), UsbPid.Ack));
            sharing.AddressChanged(new(65, new(AddressState.Live, 0, 1)));
            loop.RunFor(1_000_000);
            sharing.End();
            timeline.Counter(timeline.Track("VMM", "exits"), "exits", 5, 3);
        }

        TimelineFormat.Check(stream.ToArray());
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        JsonElement slice = document.RootElement.GetProperty("traceEvents").EnumerateArray().First(entry => entry.GetProperty("ph").GetString() == "X");
        Assert.Equal((125.001m, 10.25m), (slice.GetProperty("ts").GetDecimal(), slice.GetProperty("dur").GetDecimal()));
        Assert.Contains("address 1 -> bus 65, endpoint 2 In", System.Text.Encoding.UTF8.GetString(stream.ToArray()).Replace("\\u003E", ">", StringComparison.Ordinal), StringComparison.Ordinal);
    }
}
