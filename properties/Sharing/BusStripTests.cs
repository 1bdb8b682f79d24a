using System.Text.Json;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whose a bus is in each microframe: the same account and the same strip for every mechanism with a bus.</summary>
public sealed class BusStripTests
{
    private const uint MicroframeNs = WireTime.MicroframeNs;

    [Fact]
    public void A_strip_has_the_bus_time_of_each_vm_in_each_of_its_microframes() => Property.Check(
        Gen.Choose(0, 3).SelectMany(number => Gen.Choose(0, 499), (number, at) => (number, at)).NonEmptyListOf(),
        uses =>
        {
            BusLedger ledger = new(4, originNs: 77_000, microframes: 512);
            uint[,] had = new uint[4, 512];
            foreach ((int number, int at) in uses.OrderBy(use => use.at))
            {
                ledger.BusUsed(new(number, ledger.StartOf((ulong)at) + 5, 1000, IsPeriodic: number == 0));
                had[number, at] += 1000;
            }

            BusStrip strip = BusStrip.Of(ledger, ["a", "b", "c", "d"]);
            int first = (int)ledger.MicroframeOf(strip.StartNs);
            Assert.Equal(ledger.StartOf((ulong)first), strip.StartNs);
            for (int number = 0; number < 4; number++)
            {
                uint[] expected = [.. Enumerable.Range(first, BusStrip.Columns).Select(at => at < 512 ? had[number, at] : 0)];
                StripRow row = strip.Rows[number];
                Assert.Equal(expected, number == 0 ? row.PeriodicNs : row.AsyncNs);
                Assert.All(number == 0 ? row.AsyncNs : row.PeriodicNs, static ns => Assert.Equal(0u, ns));
            }

            // No other microframes in a row have more VMs in them.
            int Vms(int from) => Enumerable.Range(0, 4).Count(number => Enumerable.Range(from, BusStrip.Columns).Any(at => at is >= 0 and < 512 && had[number, at] != 0));
            Assert.Equal(Enumerable.Range(1 - BusStrip.Columns, 512 + BusStrip.Columns).Max(Vms), Vms(first));
        });

    [Fact]
    public void Microframes_in_which_all_have_the_bus_are_found_though_later_ones_are_fuller()
    {
        BusLedger ledger = new(2, microframes: 1024);
        for (ulong at = 0; at < 900; at++)
        {
            ledger.BusUsed(new(0, at * MicroframeNs, 90_000, IsPeriodic: false));
            if (at is 300 or 310)
                ledger.BusUsed(new(1, (at * MicroframeNs) + 100_000, 1000, IsPeriodic: false));
        }

        BusStrip strip = BusStrip.Of(ledger, ["a", "b"]);
        Assert.Equal(2, strip.Rows[1].AsyncNs.Count(static ns => ns != 0));
    }

    [Theory]
    [InlineData("address-replacement")]
    [InlineData("register-sets")]
    [InlineData("dummy-devices")]
    [InlineData("service-vm")]
    [InlineData("service-vm", "--usb", "xhci")]
    [InlineData("service-vm-models")]
    [InlineData("merged-schedules")]
    [InlineData("merged-schedules", "--merge", "hardware")]
    public void Each_verb_shows_microframes_in_which_all_vms_have_the_bus(params string[] words)
    {
        ToolRun run = ToolRun.Of(["run", .. words, "--vms", "3", "--json"]);
        using JsonDocument report = JsonDocument.Parse(run.Output);
        JsonElement[] rows = [.. report.RootElement.GetProperty("strip").GetProperty("rows").EnumerateArray()];
        Assert.Equal(["VM 1", "VM 2", "VM 3"], rows.Select(row => row.GetProperty("name").GetString()));
        uint[][] had =
        [
            .. rows.Select(row => row.GetProperty("periodicNs").EnumerateArray().Zip(
                row.GetProperty("asyncNs").EnumerateArray(), static (periodic, async) => periodic.GetUInt32() + async.GetUInt32()).ToArray()),
        ];
        Assert.All(had, row =>
        {
            Assert.Equal(BusStrip.Columns, row.Length);
            Assert.Contains(row, static ns => ns != 0);
        });

        // Bus time is that of one bus; of xHCI each port has its own.
        if (!words.Contains("xhci"))
            Assert.All(Enumerable.Range(0, BusStrip.Columns), at => Assert.InRange(had.Sum(row => (long)row[at]), 0, MicroframeNs));
    }

    [Theory]
    [InlineData("round-robin")]
    [InlineData("service-vm")]
    [InlineData("service-vm-models")]
    public void Requests_of_devices_reach_to_the_end_of_the_work_and_what_is_missing_is_said(string verb)
    {
        using TemporaryFile file = new();
        Assert.Equal(ExitCode.Ok, ToolRun.Of("run", verb, "--vms", "3", "--trace", file.Path).ExitCode);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file.Path));
        JsonElement[] events = [.. document.RootElement.GetProperty("traceEvents").EnumerateArray()];
        decimal[] requests = TimesOf(events, "IOMMU"), packets = TimesOf(events, "bus");
        Assert.InRange(requests[^1], packets[^1] - 1000, decimal.MaxValue);

        // Where not all fit, an event says how many came earlier.
        bool isWhole = !events.Any(entry => entry.GetProperty("name").GetString()!.EndsWith("earlier ones left out", StringComparison.Ordinal));
        Assert.Equal(isWhole, requests.Length < 200_000);
        if (isWhole)
            Assert.InRange(requests[0], 0, packets[0]);
    }

    private static decimal[] TimesOf(JsonElement[] events, string group)
    {
        int process = events.First(entry => entry.GetProperty("name").ValueEquals("process_name") && entry.GetProperty("args").GetProperty("name").ValueEquals(group)).GetProperty("pid").GetInt32();
        return [.. events.Where(entry => entry.GetProperty("pid").GetInt32() == process && !entry.GetProperty("ph").ValueEquals("M")).Select(entry => entry.GetProperty("ts").GetDecimal()).Order()];
    }

    [Fact]
    public void A_trace_that_keeps_the_last_events_says_how_many_it_left_out()
    {
        BusTrace whole = new(), first = new(limit: 3), last = new(limit: 3, keepsLast: true);
        foreach (BusTrace trace in (BusTrace[])[whole, first, last])
        {
            using Host host = new(new() { MemoryBytes = 64 << 20, Trace = trace });
            DmaDevice device = new();
            host.Pci.Add(device, 1);
            host.Boot();
            const uint masterAndMemory = 6;
            host.Pci.WriteConfiguration(device.Source, PciOffset.Command, sizeof(ushort), masterAndMemory);
            trace.Clear();
            for (ulong address = 0; address < 10; address++)
                _ = device.Read(address, new byte[1]);
        }

        int count = whole.Events.Count;
        Assert.InRange(count, 10, 100);
        Assert.Equal((0ul, (ulong)count - 3, (ulong)count - 3), (whole.Dropped, first.Dropped, last.Dropped));
        Assert.Equal(whole.Events.Take(3), first.Events);
        Assert.Equal(whole.Events.TakeLast(3), last.Events);
        Assert.Empty(LeftOut(whole));
        Assert.Equal([$"{count - 3} later ones left out"], LeftOut(first));
        Assert.Equal([$"{count - 3} earlier ones left out"], LeftOut(last));
        last.Clear();
        Assert.Empty(last.Events);
    }

    private static string[] LeftOut(BusTrace trace)
    {
        using MemoryStream stream = new();
        using (Timeline timeline = new(stream))
            timeline.Add(timeline.Track("IOMMU", "requests"), trace);
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        return [.. document.RootElement.GetProperty("traceEvents").EnumerateArray().Select(entry => entry.GetProperty("name").GetString()!).Where(name => name.Contains("left out", StringComparison.Ordinal))];
    }
}
