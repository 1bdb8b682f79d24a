namespace Dma.Lab;

/// <summary>Something that happened on the way of a transfer, once or several times in a row.</summary>
/// <param name="StartNs">When, in nanoseconds from where the timeline begins.</param>
/// <param name="EndNs">When for the last time.</param>
/// <param name="Lane">Who did it.</param>
/// <param name="What">What it was.</param>
/// <param name="Count">How often.</param>
/// <param name="Bytes">How many bytes it moved in all.</param>
internal sealed record ModelEvent(ulong StartNs, ulong EndNs, ModelLane Lane, string What, int Count, ulong Bytes);
