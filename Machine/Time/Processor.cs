using System.Runtime.CompilerServices;

namespace Dma.Machine;

/// <summary>A processor that runs software: what the software costs in time, and how it waits.</summary>
/// <remarks>
/// Between two awaits software takes no time on the loop; what it costs is kept as a debt and paid at the next
/// await, which takes that much longer. So a register that changes with time must be polled with a delay.
/// </remarks>
/// <param name="name">Who it is, for reports.</param>
/// <param name="loop">The loop that it lives on.</param>
/// <param name="costs">What things cost.</param>
public sealed class Processor(string name, EventLoop loop, CostModel costs)
{
    private ulong _debtNs;

    /// <summary>Who it is, for reports.</summary>
    public string Name => name;

    /// <summary>The loop that it lives on.</summary>
    public EventLoop Loop => loop;

    /// <summary>What was charged to it so far.</summary>
    public Meter Meter { get; } = new();

    /// <summary>The time that its software has reached, in nanoseconds: that of the loop, and what is to be paid yet.</summary>
    public ulong NowNs => loop.NowNs + _debtNs;

    /// <summary>Told of each charge before it counts: what happened, and how often; null for nobody.</summary>
    public Action<Cost, ulong>? Charging { get; set; }

    /// <summary>Charges something that happened, and its time.</summary>
    /// <param name="cost">What happened.</param>
    /// <param name="times">How often, or how many bytes where the cost is by the byte.</param>
    public void Charge(Cost cost, ulong times = 1)
    {
        Count(cost, times);
        _debtNs += costs.Nanoseconds(cost, times);
    }

    /// <summary>Charges something whose time passes elsewhere, such as while hardware that it imitates would have been busy.</summary>
    /// <param name="cost">What happened.</param>
    /// <param name="times">How often, or how many bytes where the cost is by the byte.</param>
    public void Count(Cost cost, ulong times = 1)
    {
        Charging?.Invoke(cost, times);
        Meter.Add(cost, times);
    }

    /// <summary>Lets its software wait for what another processor does for it, which is charged for that.</summary>
    /// <param name="timeNs">How long that takes, in nanoseconds.</param>
    public void WaitForOther(ulong timeNs) => _debtNs += timeNs;

    /// <summary>Lets time pass, the debt included.</summary>
    /// <param name="delayNs">Nanoseconds.</param>
    public ValueTask Delay(ulong delayNs)
    {
        ulong debt = TakeDebt();
        return loop.Delay(delayNs > ulong.MaxValue - debt ? ulong.MaxValue : delayNs + debt);
    }

    /// <summary>Pays the debt, then waits for a signal.</summary>
    /// <param name="signal">What to wait for.</param>
    /// <param name="timeoutNs">How long at most after the debt is paid, in nanoseconds.</param>
    /// <returns><c>true</c> when raised, <c>false</c> when time ran out.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> Wait(Signal signal, ulong timeoutNs = ulong.MaxValue)
    {
        if (_debtNs != 0)
            await loop.Delay(TakeDebt());
        return await signal.Wait(timeoutNs);
    }

    private ulong TakeDebt()
    {
        ulong debt = _debtNs;
        _debtNs = 0;
        return debt;
    }
}
