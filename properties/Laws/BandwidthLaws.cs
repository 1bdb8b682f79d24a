using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class BandwidthLaws
{
    private const int Frames = 32;

    private static FsCheck.Gen<PeriodicEndpoint> Endpoints =>
        from speed in Gen.Elements(EndpointSpeed.High, EndpointSpeed.High, EndpointSpeed.Full, EndpointSpeed.Low)
        from isochronous in Gen.Elements(false, true)
        from isIn in Gen.Elements(false, true)
        from share in Gen.Choose(0, 1000)
        from period in Gen.Choose(0, 7)
        let isIsochronous = isochronous && speed != EndpointSpeed.Low
        let most = (speed, isIsochronous) switch
        {
            (EndpointSpeed.High, _) => 3072,
            (EndpointSpeed.Low, _) => 8,
            (_, true) => 1023,
            _ => 64,
        }
        select new PeriodicEndpoint(speed, isIsochronous, isIn, most * share / 1000, 1 << Math.Max(period, speed == EndpointSpeed.High ? 0 : 3));

    [Fact]
    public void Times_are_those_of_the_sheet()
    {
        // USB sheet, 9.1: interrupt and isochronous at high speed.
        (int Bytes, uint Interrupt, uint Isochronous)[] table =
            [(8, 1081, 798), (64, 2171, 1888), (192, 4660, 4377), (512, 10880, 10597), (1024, 20835, 20551), (3072, 60651, 60368)];
        Assert.All(table, row =>
        {
            Assert.Equal(row.Interrupt, TransactionTime.HighSpeed(row.Bytes));
            Assert.Equal(row.Isochronous, TransactionTime.HighSpeedIsochronous(row.Bytes));
        });

        // By hand from the formulas: floor(56n/6) bits, 8354 x (31 + 10 bits) / 1000 and so on.
        Assert.Equal(9107u + 1000 + (8354 * (31 + 5970) / 1000), TransactionTime.FullSpeed(64));
        Assert.Equal(7268u + 1000 + (8354 * (31 + 95480) / 1000), TransactionTime.FullSpeedIsochronous(1023, isIn: true));
        Assert.Equal(6265u + 1000 + (8354 * (31 + 17920) / 1000), TransactionTime.FullSpeedIsochronous(192, isIn: false));
        Assert.Equal(64060u + 666 + 1000 + (67667 * (31 + 740) / 1000), TransactionTime.LowSpeed(8, isIn: true));
        Assert.Equal(64107u + 666 + 1000 + (66700 * (31 + 740) / 1000), TransactionTime.LowSpeed(8, isIn: false));
    }

    [Fact]
    public void Times_grow_with_the_bytes_and_what_is_executed_takes_no_longer_than_what_was_reckoned()
    {
        for (int bytes = 0; bytes <= 1024; bytes++)
        {
            uint[] worst = All(bytes, TransactionTime.HighSpeed, TransactionTime.HighSpeedIsochronous, TransactionTime.FullSpeed, TransactionTime.FullSpeedIsochronous, TransactionTime.LowSpeed);
            uint[] real = All(bytes, WireTime.HighSpeed, WireTime.HighSpeedIsochronous, WireTime.FullSpeed, WireTime.FullSpeedIsochronous, WireTime.LowSpeed);
            uint[] more = All(bytes + 1, TransactionTime.HighSpeed, TransactionTime.HighSpeedIsochronous, TransactionTime.FullSpeed, TransactionTime.FullSpeedIsochronous, TransactionTime.LowSpeed);
            Assert.All(worst.Zip(real, more), row => Assert.True(row.Second <= row.First && row.First <= row.Third, $"{bytes} bytes: {row}"));
        }
    }

    [Fact]
    public void What_comes_and_goes_in_any_order_leaves_no_trace_and_no_microframe_is_promised_too_much() => Property.Check(
        Generate.Program(
            from endpoint in Endpoints
            from removes in Gen.Choose(0, 2)
            from which in Gen.Choose(0, 1000)
            select (endpoint, removes, which),
            60),
        steps =>
        {
            PeriodicBudget budget = new(Frames);
            TranslatorBudget translator = new(Frames);
            List<(PeriodicEndpoint Endpoint, PeriodicTurns Turns)> live = [];
            foreach ((PeriodicEndpoint endpoint, int removes, int which) in steps)
            {
                if (removes == 0 && live.Count != 0)
                {
                    (PeriodicEndpoint old, PeriodicTurns at) = live[which % live.Count];
                    live.RemoveAt(which % live.Count);
                    budget.Remove(old, old.IsSplit ? translator : null, at);
                }
                else if (budget.TryPlace(endpoint, endpoint.IsSplit ? translator : null, out PeriodicTurns turns))
                {
                    live.Add((endpoint, turns));
                    CheckTurns(endpoint, turns);
                }
                else
                {
                    // Refused now, so refused again: nothing was kept of it.
                    Assert.False(budget.TryPlace(endpoint, endpoint.IsSplit ? translator : null, out _));
                }

                Assert.Equal(Model(live), budget.Loads);
                Assert.True(budget.Loads.ToArray().Max() <= PeriodicBudget.LimitNs);
            }

            foreach ((PeriodicEndpoint old, PeriodicTurns at) in live)
                budget.Remove(old, old.IsSplit ? translator : null, at);
            Assert.All(budget.Loads.ToArray(), load => Assert.Equal(0u, load));
            Assert.All(translator.Loads.ToArray(), load => Assert.Equal(0u, load));
        },
        count: 60);

    [Fact]
    public void What_is_refused_at_some_load_is_refused_at_any_higher_one() => Property.Check(
        Gen.ArrayOf(Endpoints, 40),
        endpoints =>
        {
            PeriodicBudget budget = new(Frames);
            List<PeriodicTurns> refused = [];
            foreach (PeriodicEndpoint endpoint in endpoints)
            {
                if (!budget.TryPlace(endpoint, null, out PeriodicTurns turns))
                    continue;
                if (!budget.TryAdmit(turns))
                    refused.Add(turns);
                Assert.All(refused, again => Assert.False(budget.TryAdmit(again)));
            }
        },
        count: 60);

    [Fact]
    public void A_translator_is_promised_no_more_than_its_frame_holds()
    {
        // A payload of 1023 bytes takes more than 800 us, and six microframes and 30 us are 780.
        PeriodicBudget budget = new(8);
        TranslatorBudget translator = new(8);
        PeriodicEndpoint large = new(EndpointSpeed.Full, IsIsochronous: true, In: false, 1023, 8);
        Assert.False(budget.TryPlace(large, translator, out _));
        PeriodicEndpoint stereo = large with { Bytes = 192 };
        int count = 0;
        while (budget.TryPlace(stereo, translator, out _))
            count++;

        // Each needs a microframe for itself and runs on into the next, of which then 85 us are left, too little for another.
        Assert.InRange(count, 3, 4);
        int bytes = 0;
        while (budget.TryPlace(new(EndpointSpeed.Low, IsIsochronous: false, In: true, 8, 8), translator, out _))
            bytes += 8;
        Assert.InRange(bytes, 0, 16);
        Assert.All(translator.Loads.ToArray().Chunk(8), frame => Assert.True(frame.Sum(load => load) <= (6 * 125_000) + 30_000));
    }

    private static uint[] All(int bytes, Func<int, uint> high, Func<int, uint> isochronous, Func<int, uint> full, Func<int, bool, uint> fullIsochronous, Func<int, bool, uint> low) =>
        [high(bytes), isochronous(bytes), full(bytes), fullIsochronous(bytes, true), fullIsochronous(bytes, false), low(bytes, true), low(bytes, false)];

    private static void CheckTurns(PeriodicEndpoint endpoint, PeriodicTurns turns)
    {
        Assert.InRange(turns.Frame, 0, turns.FramePeriod - 1);
        Assert.Equal(Math.Clamp(endpoint.Period / 8, 1, Frames), turns.FramePeriod);
        Assert.Equal(
            !endpoint.IsSplit ? Math.Max(8 / endpoint.Period, 1) : endpoint is { IsIsochronous: true, In: false } ? (endpoint.Bytes + 187) / 188 is var parts && parts == 0 ? 1 : parts : 1,
            byte.PopCount(turns.StartMask));
        if (!endpoint.IsSplit)
            Assert.Equal(0, turns.CompleteMask);
    }

    // One microframe after the other, as the sheet says: starts by the S-mask, completes by the C-mask.
    private static uint[] Model(List<(PeriodicEndpoint Endpoint, PeriodicTurns Turns)> live)
    {
        uint[] loads = new uint[Frames * 8];
        foreach ((PeriodicEndpoint endpoint, PeriodicTurns turns) in live)
        {
            for (int frame = 0; frame < Frames; frame++)
            {
                if (frame % turns.FramePeriod != turns.Frame)
                    continue;
                int first = Enumerable.Range(0, 8).First(bit => (turns.StartMask >> bit & 1) != 0);
                for (int bit = 0; bit < 8; bit++)
                {
                    if ((turns.StartMask >> bit & 1) != 0)
                        loads[(frame * 8) + bit] += endpoint.StartNs;
                    if ((turns.CompleteMask >> bit & 1) != 0)
                        loads[((frame * 8) + bit + (bit < first + 2 ? 8 : 0)) % loads.Length] += endpoint.CompleteNs;
                }
            }
        }

        return loads;
    }
}
