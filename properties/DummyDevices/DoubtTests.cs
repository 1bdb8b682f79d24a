using Dma.Drivers;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A refusal counts where it can be true, and only there.</summary>
public sealed class DoubtTests
{
    private const ulong PatienceNs = 600_000_000_000;

    // 60 and 30 of the 100 microseconds.
    private const byte Most = 7;
    private const byte Third = 4;

    [Theory]
    [InlineData(ReservationSteps.None)]
    [InlineData(ReservationSteps.Doubt)]
    public void A_guest_that_always_refuses_stops_all_others_where_it_is_believed(ReservationSteps without) => Run(
        async world =>
        {
            HostileDummies hostile = await Boot(world, DummyManner.Refuses);
            for (int attempt = 0; attempt < 8; attempt++)
            {
                bool isTrusted = world.Reservations.ConductOf(0).IsTrusted;
                ulong startNs = world.Host.Loop.NowNs;
                Assert.Equal(without == ReservationSteps.None, await world[1].Choose(Third));
                Assert.Equal(without == ReservationSteps.None && isTrusted, world.Host.Loop.NowNs - startNs >= 2 * world.Options.AnswerNsMax);
                Assert.True(await world[1].Choose(0));
                await world.Quiet();
            }

            // It is told twice each time, until it is not waited for any more.
            DummyConduct conduct = world.Reservations.ConductOf(0);
            bool isChecked = without == ReservationSteps.None;
            Assert.Equal(isChecked ? (ulong)world.Options.LapsesMax : 0, conduct.Disproved);
            Assert.Equal(isChecked, !conduct.IsTrusted);
            Assert.Equal(conduct.Disproved, world.Reservations.Counts.Disproved);
            Assert.All(new[] { 1, 2 }, number => Assert.Equal((0ul, 0ul, 0ul), (world.Reservations.ConductOf(number).Disproved, world.Reservations.ConductOf(number).Silences, world.Reservations.ConductOf(number).Unasked)));
        },
        without);

    [Fact]
    public void A_guest_that_took_time_before_it_asks_for_it_is_believed() => Run(async world =>
    {
        await world.BootAll();
        UsbEndpoint endpoint = EndpointOf(world[1], Most);
        IUsbIsochronousPipe pipe = await world[1].Device.Connection.OpenIsochronous(endpoint);

        // Its books are full, and nobody else can know of it yet.
        Task<bool> request = world[0].Choose(Most);
        await world.Host.Loop.Delay(world.Options.AnswerNsMax / 2);
        Assert.False(request.IsCompleted);
        await world[1].Device.SetInterface(0, Most);
        Assert.False(await request);
        Assert.Equal((0, Most), (world.Devices[0].Setting, world.Devices[1].Setting));
        Assert.Equal((0ul, 1ul), (world.Reservations.Counts.Disproved, world.Reservations.Counts.Refused));
        await pipe.Close();
    });

    [Fact]
    public void A_guest_that_gives_time_back_without_asking_is_told_again_and_follows() => Run(async world =>
    {
        await world.BootAll();
        world.Looked = world.CheckViews;
        IUsbIsochronousPipe pipe = await world[1].Device.Connection.OpenIsochronous(EndpointOf(world[1], Most));
        Task<bool> request = world[0].Choose(Most);
        await world.Host.Loop.Delay(world.Options.AnswerNsMax / 2);
        await pipe.Close();
        Assert.True(await request);
        Assert.Equal(0ul, world.Reservations.Counts.Disproved);
        Assert.True(world[1].Watch!.ReservedNs >= world.LoadOf(0));
        Assert.Equal(2, world.Events.Count(step => step is { Kind: ReservationEventKind.Notified, Other: 1, NeedNs: not 0 }));
    });

    [Fact]
    public void Who_asks_for_time_itself_is_believed_at_once_that_it_has_none_left() => Run(async world =>
    {
        _ = await Boot(world, DummyManner.Refuses);
        world.Events.Clear();
        Task<bool> request = world[2].Choose(Most);
        while (world.Events.Count == 0)
            await world.Host.Loop.Delay(DummyWorld.MillisecondNs / 8);
        Task own = world[0].Device.SetInterface(0, Most).AsTask();
        Assert.False(await request);
        ReservationEvent rejected = Assert.Single(world.Events, step => step is { Kind: ReservationEventKind.Rejected, Other: 0, NeedNs: not 0 });
        Assert.True(rejected.NowNs - world.Events[0].NowNs < world.Options.AnswerNsMax);
        Assert.True(world.Events.First(step => step.Kind == ReservationEventKind.Refused).NowNs - rejected.NowNs < world.Options.AnswerNsMax);

        // What it asked for it has: others have it in their books.
        await own;
        Assert.Equal((Most, 0), (world.Devices[0].Setting, world.Devices[2].Setting));
        await world.Quiet();
        world.CheckViews();
        Assert.All(new[] { 0, 1, 2 }, number => Assert.Equal(0ul, world.Reservations.ConductOf(number).Disproved));
    });

    [Fact]
    public void A_guest_that_always_answers_late_stops_others_a_few_times_and_is_waited_for_again_when_it_has_become_better() => Run(async world =>
    {
        HostileDummies hostile = await Boot(world, DummyManner.Late);
        int refused = 0;
        for (int attempt = 0; attempt < 12; attempt++)
        {
            refused += await world[1].Choose(Third) ? 0 : 1;
            await world.Host.Loop.Delay(2 * world.Options.AnswerNsMax);
            Assert.True(await world[1].Choose(0));
            await world.Host.Loop.Delay(2 * world.Options.AnswerNsMax);
        }

        Assert.InRange(refused, 1, world.Options.LapsesMax);
        Assert.False(world.Reservations.ConductOf(0).IsTrusted);
        hostile.Manner = DummyManner.SaysSo;
        for (int change = 0; change < world.Options.MirroredMin + 1; change++)
        {
            Assert.False(world.Reservations.ConductOf(0).IsTrusted && change < world.Options.MirroredMin);
            Assert.True(await world[1].Choose((byte)(change % 2 == 0 ? Third : 0)));
            await world.Host.Loop.Delay(2 * world.Options.AnswerNsMax);
        }

        Assert.True(world.Reservations.ConductOf(0).IsTrusted);
    });

    private static UsbEndpoint EndpointOf(DummyGuest guest, byte setting) =>
        guest.Device.Configuration.Interfaces.First(face => face.Descriptor.AlternateSetting == setting).Endpoints[0];

    // The first guest is the hostile one.
    private static async Task<HostileDummies> Boot(DummyWorld world, DummyManner manner)
    {
        await Task.WhenAll(world.Boot(0, hasDummyDriver: false), world.Boot(1), world.Boot(2));
        HostileDummies hostile = new(world[0].Controller, world.Sharing.FirstInternalPort, world.Options.AnswerNsMax, static () => { }) { Manner = manner };
        hostile.Start();
        while (hostile.Count < world.Count - 1)
            await world.Host.Loop.Delay(DummyWorld.MillisecondNs);
        await world.Quiet();
        return hostile;
    }

    private static void Run(Func<DummyWorld, Task> play, ReservationSteps without = ReservationSteps.None)
    {
        using DummyWorld world = new(3, without);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await play(world);
                Assert.Equal((0ul, 0ul), (world[1].Stream.Missed, world[2].Stream.Missed));
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
    }
}
