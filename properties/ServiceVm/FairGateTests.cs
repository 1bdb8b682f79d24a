using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Front ends before one controller: each gets as many bytes as the others, whatever they ask for.</summary>
public sealed class FairGateTests
{
    private const ulong WindowNs = 400_000_000;
    private const int RequestMax = 65_535;

    [Fact]
    public void Front_ends_that_always_wait_get_as_many_bytes_as_each_other_whatever_the_size_of_their_requests()
    {
        Property.Check(Loads().ToArbitrary(), load =>
        {
            ulong[] bytes = Run(load, TransferOrder.DeficitRoundRobin);
            Assert.InRange(Fairness.Jain([.. bytes.Select(moved => (double)moved)]), 0.95, 1);
            Assert.True(bytes.Max() - bytes.Min() <= (ulong)(load.QuantumBytes + (2 * RequestMax)), string.Join(' ', bytes));
        }, count: 60);
    }

    [Fact]
    public void Whoever_asks_for_more_gets_more_where_the_first_to_come_is_the_first_served()
    {
        Load load = new([65_000, 4_000, 4_000], 4_096, 1, Stuck: 0);
        Assert.InRange(Fairness.Jain([.. Run(load, TransferOrder.FirstComeFirstServed).Select(moved => (double)moved)]), 0.3, 0.6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public void Devices_that_never_answer_hold_up_nobody_for_long(int stuck)
    {
        ulong[] alone = Run(new([16_000, 16_000], 16_384, 2, Stuck: 0), TransferOrder.DeficitRoundRobin);
        ulong[] beside = Run(new([16_000, 16_000], 16_384, 2, stuck), TransferOrder.DeficitRoundRobin);
        Assert.InRange(beside[0] + beside[1], (alone[0] + alone[1]) * 6 / 10, alone[0] + alone[1]);
    }

    private static FsCheck.Gen<Load> Loads() =>
        from flows in Gen.Choose(2, 6)
        from sizes in Gen.ArrayOf(Gen.Choose(1, RequestMax), flows)
        from quantum in Gen.Elements(512, 4_096, 16_384, 65_536)
        select new Load(sizes, quantum, 1, 0);

    // A bus that moves 40 bytes in a microsecond; each front end always has two transfers ready.
    private static ulong[] Run(Load load, TransferOrder order)
    {
        EventLoop loop = new();
        int stuckFlow = load.Sizes.Length;
        FairGate gate = new(loop, stuckFlow + 1, new() { Order = order, QuantumBytes = load.QuantumBytes, Slots = load.Slots });
        ulong[] moved = new ulong[load.Sizes.Length];
        for (int count = 0; count < load.Stuck; count++)
            loop.Start(async () => _ = await gate.Enter(stuckFlow, 1));
        for (int flow = 0; flow < load.Sizes.Length; flow++)
        {
            int own = flow;
            for (int lane = 0; lane < 2; lane++)
            {
                loop.Start(async () =>
                {
                    while (true)
                    {
                        TransferTurn turn = await gate.Enter(own, load.Sizes[own]);
                        await loop.Delay((ulong)(load.Sizes[own] * 25 * load.Slots));
                        moved[own] += (ulong)load.Sizes[own];
                        turn.Leave();
                    }
                });
            }
        }

        loop.RunFor(WindowNs);
        return moved;
    }

    /// <summary>What waits before a gate.</summary>
    /// <param name="Sizes">Bytes in each request of each front end.</param>
    /// <param name="QuantumBytes">How many bytes a turn adds.</param>
    /// <param name="Slots">How many transfers are under way at a time.</param>
    /// <param name="Stuck">How many transfers of one more front end never end.</param>
    private sealed record Load(int[] Sizes, int QuantumBytes, int Slots, int Stuck)
    {
        public override string ToString() => $"{string.Join(' ', Sizes)} quantum {QuantumBytes} slots {Slots}";
    }
}
