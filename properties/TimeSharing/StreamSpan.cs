namespace Dma.Properties;

/// <summary>A stream of a guest.</summary>
/// <param name="StartNs">When its first packet was queued.</param>
/// <param name="EndNs">When its last one was over.</param>
/// <param name="Due">Slots of that time.</param>
/// <param name="Missed">Slots in which nothing came.</param>
/// <param name="Late">Slots at its beginning before the first in which something came.</param>
/// <param name="IntervalNs">From one slot to the next, in nanoseconds.</param>
internal readonly record struct StreamSpan(ulong StartNs, ulong EndNs, int Due, int Missed, int Late, ulong IntervalNs);
