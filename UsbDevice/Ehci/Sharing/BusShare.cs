namespace Dma.UsbDevice;

/// <summary>The part of one register set in the sharing of the bus: what it is allowed, and what it has used of that.</summary>
internal sealed class BusShare
{
    /// <summary>The most periodic time in a microframe, in nanoseconds; a set alone has all of it.</summary>
    public uint PeriodicBudgetNs { get; set; } = uint.MaxValue;

    /// <summary>What is left of that in this microframe.</summary>
    public uint PeriodicLeftNs { get; set; }

    /// <summary>How many times as much asynchronous time as others it gets, from 1 on, where the policy weighs.</summary>
    public int Weight { get; set; } = 1;

    /// <summary>Time that it may still use in this turn, in nanoseconds; below zero where it used too much in the last one.</summary>
    public long DeficitNs { get; set; }

    /// <summary>Where in its list its turn began, and how many visits ago.</summary>
    public (uint Position, int Visits) Pass { get; set; }
}
