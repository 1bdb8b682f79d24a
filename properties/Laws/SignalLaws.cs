using Dma.Machine;

namespace Dma.Properties;

public sealed class SignalLaws
{
    private readonly EventLoop _loop = new();
    private readonly Signal _signal;

    public SignalLaws() => _signal = new(_loop);

    [Fact]
    public void A_raise_that_nobody_waits_for_is_kept_and_several_are_one()
    {
        _signal.Raise();
        _signal.Raise();
        Assert.True(_signal.IsPending);
        Assert.Equal(2ul, _signal.Raised);
        _loop.Run(async () =>
        {
            Assert.True(await _signal.Wait(10));
            Assert.False(await _signal.Wait(10));
        });
        Assert.Equal(10ul, _loop.NowNs);
    }

    [Fact]
    public void A_cleared_raise_is_forgotten()
    {
        _signal.Raise();
        _signal.Clear();
        Assert.False(_signal.IsPending);
        _loop.Run(async () => Assert.False(await _signal.Wait(1)));
    }

    [Fact]
    public void Raising_runs_no_software()
    {
        bool woken = false;
        _loop.Start(async () => woken = await _signal.Wait());
        _loop.RunFor(1);
        _signal.Raise();
        Assert.False(woken);
        _loop.RunFor(0);
        Assert.True(woken);
    }

    [Fact]
    public void A_raise_wakes_all_that_wait_in_the_order_in_which_they_came()
    {
        List<int> woken = [];
        for (int id = 0; id < 5; id++)
        {
            int self = id;
            _loop.Start(async () =>
            {
                Assert.True(await _signal.Wait());
                woken.Add(self);
            });
        }

        _ = _loop.Schedule(3, _signal.Raise);
        _loop.RunFor(3);
        Assert.Equal([0, 1, 2, 3, 4], woken);
        Assert.False(_signal.IsPending);
    }

    [Fact]
    public void A_waiter_that_timed_out_swallows_no_raise()
    {
        bool? first = null;
        _loop.Start(async () => first = await _signal.Wait(5));
        _ = _loop.Schedule(6, _signal.Raise);
        _loop.RunFor(10);
        Assert.False(first);
        Assert.True(_signal.IsPending);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_raise_at_the_very_instant_of_the_timeout_is_taken_or_kept_but_never_lost(bool raiseFirst)
    {
        // Which of the two events at 5 ns comes first is decided by which was asked for first.
        bool? got = null;
        if (raiseFirst)
            _ = _loop.Schedule(5, _signal.Raise);
        _loop.Start(async () => got = await _signal.Wait(5));
        _loop.RunFor(0);
        if (!raiseFirst)
            _ = _loop.Schedule(5, _signal.Raise);
        _loop.RunFor(5);
        Assert.Equal(raiseFirst, got);
        Assert.Equal(!raiseFirst, _signal.IsPending);
    }

    [Fact]
    public void One_waiter_that_gives_up_leaves_the_others_waiting()
    {
        bool? impatient = null;
        bool? patient = null;
        _loop.Start(async () => impatient = await _signal.Wait(5));
        _loop.Start(async () => patient = await _signal.Wait(50));
        _ = _loop.Schedule(20, _signal.Raise);
        Assert.False(_loop.RunUntil(() => false));
        Assert.False(impatient);
        Assert.True(patient);
        Assert.Equal(20ul, _loop.NowNs);
        Assert.False(_signal.IsPending);
    }

    [Fact]
    public void Raises_are_never_lost_between_two_waits()
    {
        const int Rounds = 1000;
        Random random = new((int)Property.Seed);
        ulong handled = 0;
        bool stopped = false;
        _loop.Start(async () =>
        {
            // Work is counted at the raise and drained after each wake, as behind an interrupt status register.
            while (handled < Rounds)
            {
                Assert.True(await _signal.Wait());
                await _loop.Delay((ulong)random.Next(4));
                handled = _signal.Raised;
            }

            stopped = true;
        });
        for (int round = 0; round < Rounds; round++)
            _ = _loop.Schedule((ulong)random.Next(2000), _signal.Raise);
        Assert.True(_loop.RunUntil(() => stopped));
    }
}
