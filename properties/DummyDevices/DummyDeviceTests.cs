using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Dummy devices mirror what others reserve: nobody is granted what the bus does not have, and no stream that was admitted misses a slot.</summary>
public sealed class DummyDeviceTests
{
    private const ulong PatienceNs = 600_000_000_000;

    [Fact]
    public void A_reservation_is_mirrored_in_every_other_guest_before_it_is_granted()
    {
        using DummyWorld world = new(3);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await world.BootAll();
                Assert.Equal(6, world.Reservations.Dummies.Count);
                world.Looked = world.CheckViews;
                Assert.True(await world[0].Choose(4));
                await world.Quiet();
                world.CheckViews();
                Assert.True(await world[1].Choose(4));
                Assert.False(await world[2].Choose(5));
                await world.Quiet();
                await world.Host.Loop.Delay(50 * DummyWorld.MillisecondNs);
                (ulong due, ulong missed) = world.Slots();
                Assert.True(due > 500);
                Assert.Equal(0ul, missed);
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
        foreach (ReservationEvent step in world.Events)
            TestContext.Current.TestOutputHelper!.WriteLine(step.ToString());
        TestContext.Current.TestOutputHelper!.WriteLine($"{world.Reservations.Counts.SetupNsMax} {world.PeriodicNsMax} {world.Slots()}");
    }
}
