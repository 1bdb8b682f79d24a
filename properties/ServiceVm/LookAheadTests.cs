using Dma.Drivers;
using Dma.Lab;
using Dma.UsbDevice;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>How many rows of isochronous packets must be under way when a service VM is in between.</summary>
public sealed class LookAheadTests
{
    [Theory]
    [InlineData("ehci", 0)]
    [InlineData("ehci", 1_500_000)]
    [InlineData("ehci", 4_000_000)]
    [InlineData("xhci", 0)]
    [InlineData("xhci", 1_500_000)]
    public void As_many_rows_as_pass_on_the_way_there_and_back_and_the_controller_has_miss_nothing_and_fewer_do(string controller, int jitterNs)
    {
        LookAheadReport report = Play(controller, (ulong)jitterNs, seed: 1);
        Assert.True(report.DepthNeeded is > 1 and < 12, $"{report}");
        Assert.True(report.IsEnough, string.Join(", ", report.Depths));
        Assert.True(report.SubmitNs + report.AnswerNs >= (ulong)jitterNs / 2);

        // One row less than the controller is ahead is always late; what is needed was not made up.
        Assert.All(report.Depths.Where(depth => depth.Depth <= report.RowsAhead - 1), depth => Assert.True(depth.Expired > 0, $"{depth}"));
        Assert.All(report.Depths, depth => Assert.Equal(64ul, depth.InTime + depth.Expired));
        Assert.True(report.Depths[0].Expired > report.Depths[2].Expired || report.Depths[0].Expired > 16, string.Join(", ", report.Depths));
    }

    [Fact]
    public void What_is_said_to_be_enough_is_enough_whatever_chance_makes_of_the_jitter() => Property.Check(
        from jitterNs in Gen.Choose(200_000, 4_500_000)
        from seed in Gen.Choose(0, int.MaxValue)
        select (jitterNs, seed),
        world =>
        {
            LookAheadReport report = Play("ehci", (ulong)world.jitterNs, (ulong)world.seed);
            Assert.True(report.IsEnough, $"{report}: {string.Join(", ", report.Depths)}");
            Assert.InRange(report.DepthNeeded, report.RowsAhead + 1, report.RowsAhead + 2 + (world.jitterNs / 1_000_000));
        },
        count: 5);

    private static LookAheadReport Play(string controller, ulong jitterNs, ulong seed)
    {
        using ServiceMachine machine = new(new() { Vms = 1, Controller = controller, Seed = seed, Service = new() { JitterNsMax = jitterNs } });
        machine.Plug(0, new AudioSinkDevice(machine.Host.Loop, new PcmRecording(frameBytes: 4)));
        LookAheadProbe probe = new(machine, guest: 0);
        machine.Watch = probe;
        return machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            return await probe.Play(await machine.StartGuest(0), port: 1, depthMax: 12);
        });
    }

    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void A_driver_that_queues_two_long_rows_misses_nothing_although_each_comes_when_the_one_before_it_is_on_the_bus(string controller)
    {
        using ServiceMachine machine = new(new() { Vms = 1, Controller = controller });
        machine.Plug(0, new IsochronousDevice(new IsochronousSetting(128)));
        IsochronousDriver stream = machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            IsochronousDriver driver = IsochronousDriver.Open(await UsbDeviceHandle.Enumerate(await machine.StartGuest(0), port: 1));
            await driver.Choose(1);
            await machine.Host.Loop.Delay(400_000_000);
            return driver;
        });
        Assert.InRange(stream.Due, 3000ul, 3200ul);
        Assert.Equal(0ul, stream.Missed);
        Assert.Equal(stream.Due * 128, stream.Bytes);
    }
}
