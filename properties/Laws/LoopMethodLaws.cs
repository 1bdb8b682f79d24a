using System.Runtime.CompilerServices;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Async methods that are used again behave as others do, and take no memory.</summary>
public sealed class LoopMethodLaws
{
    private readonly EventLoop _loop = new();

    [Fact]
    public void Called_over_and_over_they_allocate_nothing_though_they_wait()
    {
        _loop.Start(async () =>
        {
            while (true)
                _ = await Outer(depth: 3);
        });
        _loop.RunFor(1_000);
        Allocation.CheckNone(100, _ => _loop.RunFor(1_000));
    }

    [Fact]
    public void Each_goes_on_in_the_event_in_which_others_go_on() =>
        Property.Check(
            Gen.Choose(0, 3).ArrayOf().ArrayOf(),
            programs => Assert.Equal(Log(programs, Ordinary), Log(programs, static (loop, waits) => Again(loop, waits))));

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void What_one_throws_comes_to_the_one_who_awaits_it(int waits) => _loop.Run(async () =>
    {
        // Twice: the second call is the first one's object.
        for (int call = 0; call < 2; call++)
        {
            Assert.Equal("thrown", (await Assert.ThrowsAsync<IOException>(async () => _ = await Fail(waits))).Message);
            Assert.Equal("thrown", (await Assert.ThrowsAsync<IOException>(async () => await FailAlone(waits))).Message);
            Assert.Equal(1, await Outer(depth: 1));
        }
    });

    [Fact]
    public void A_result_is_there_once() => _loop.Run(async () =>
    {
        ValueTask<int> call = Outer(depth: 1);
#pragma warning disable CA2012 // What comes of that is the question.
        Assert.Throws<InvalidOperationException>(() => call.GetAwaiter().GetResult());
        Assert.Equal(1, await call);
        Assert.Throws<InvalidOperationException>(() => call.GetAwaiter().GetResult());
#pragma warning restore CA2012
    });

    // Several calls at a time, each of which waits a few times; 0 is no wait at all.
    private static List<string> Log(int[][] programs, Func<EventLoop, int[], ValueTask<int>> method)
    {
        EventLoop loop = new();
        List<string> log = [];
        for (int number = 0; number < programs.Length; number++)
        {
            int self = number;
            loop.Start(async () => log.Add($"{loop.NowNs}, event {loop.EventsRun}: {self} has {await method(loop, programs[self])}"));
        }

        loop.RunFor(1_000);
        return log;
    }

    private static async ValueTask<int> Ordinary(EventLoop loop, int[] waits)
    {
        foreach (int wait in waits)
            await (wait == 0 ? default : loop.Delay((ulong)wait));
        return waits.Length;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<int> Again(EventLoop loop, int[] waits)
    {
        foreach (int wait in waits)
            await (wait == 0 ? default : loop.Delay((ulong)wait));
        return waits.Length;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> Outer(int depth)
    {
        if (depth == 0)
            return 0;
        await Inner();
        return 1 + await Outer(depth - 1);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask Inner()
    {
        await _loop.Delay(1);
        await _loop.Delay(1);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> Fail(int waits)
    {
        for (int wait = 0; wait < waits; wait++)
            await _loop.Delay(1);
        throw new IOException("thrown");
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask FailAlone(int waits)
    {
        for (int wait = 0; wait < waits; wait++)
            await _loop.Delay(1);
        throw new IOException("thrown");
    }
}
