using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Which slots of a stream have to be used where a guest has the controller in turns, and whether they were.</summary>
/// <remarks>
/// <code>
///   turns     |== run ==|                 |== run ==|
///   slots   . x  x  x  x .  .  .  .  .  . x  x  x  x .  .
///                                                  ^ a slot whose microframe is not over when the turn ends may go
/// </code>
/// A guest has each slot in which it has the controller for the whole microframe, but for the first one of its turn: doorbells of xHCI ring when that begins.
/// Slots in turns of others are nobody's fault.
/// </remarks>
internal static class StreamSlots
{
    // A driver writes no frame that is on, or the next one; what it queues begins so much later at most.
    private const ulong LeadNs = 3 * (ulong)WireTime.FrameNs;

    // Where in its microframe a packet goes over the bus depends on what comes before it, so two slots may be so much nearer, or further apart.
    private const ulong ShiftNs = WireTime.MicroframeNs;

    /// <summary>Looks at a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="isOnTime">Whether packets have times of their own, and are over with them (EHCI); where not, each waits for a slot (xHCI).</param>
    /// <param name="packetsNs">When its packets went over the bus.</param>
    /// <param name="turns">When its guest had the controller.</param>
    /// <returns>How many slots had to be used.</returns>
    public static int Check(StreamSpan stream, bool isOnTime, IReadOnlyList<ulong> packetsNs, IReadOnlyList<(ulong StartNs, ulong EndNs)> turns)
    {
        ulong[] used = [.. packetsNs.Where(ns => ns >= stream.StartNs && ns <= stream.EndNs)];
        Assert.Equal(stream.Due - stream.Missed, used.Length);
        Assert.All(used, ns => Assert.True(IsSlot(ns - used[0] + ShiftNs, stream.IntervalNs), $"{stream} has a packet at {ns} ns, between slots from {used[0]} ns on."));
        (ulong firstNs, ulong lastNs) = (stream.StartNs + LeadNs, stream.StartNs + ((ulong)stream.Due * stream.IntervalNs));
        if (!isOnTime)
        {
            // Where packets wait, the first one says when the slots begin, and the last one when the driver has given up or nothing is left.
            (firstNs, lastNs) = used.Length == 0 ? (stream.EndNs, stream.EndNs) : (used[0], used[^1]);
            Assert.InRange(TimeIn(turns, stream.StartNs, firstNs), 0ul, LeadNs);
            Assert.True(stream.Missed == 0 || TimeIn(turns, lastNs, stream.EndNs) <= LeadNs, $"{stream} waited for its slots in turns of its own.");
        }

        int due = 0;
        foreach ((ulong startNs, ulong endNs) in turns)
        {
            ulong fromNs = Math.Max(startNs + ShiftNs, firstNs), toNs = Math.Min(endNs - WireTime.MicroframeNs, lastNs);
            if (used.Length == 0)
            {
                Assert.True(toNs < fromNs + stream.IntervalNs, $"{stream} had its turn from {startNs} ns to {endNs} ns, and none of its slots.");
                continue;
            }

            ulong phaseNs = used[0] % stream.IntervalNs;
            for (ulong slotNs = fromNs + ((phaseNs + stream.IntervalNs - (fromNs % stream.IntervalNs)) % stream.IntervalNs); slotNs <= toNs; slotNs += stream.IntervalNs)
            {
                due++;
                Assert.True(Array.Exists(used, ns => ns + ShiftNs >= slotNs && ns <= slotNs + ShiftNs), $"The slot at {slotNs} ns of {stream} was lost in the turn from {startNs} ns to {endNs} ns.");
            }
        }

        return due;
    }

    private static ulong TimeIn(IReadOnlyList<(ulong StartNs, ulong EndNs)> turns, ulong fromNs, ulong toNs) => turns.Aggregate(
        0ul, (sum, turn) => sum + Math.Max(Math.Max(turn.StartNs, fromNs), Math.Min(turn.EndNs, toNs)) - Math.Max(turn.StartNs, fromNs));

    private static bool IsSlot(ulong ns, ulong intervalNs) => ns % intervalNs <= 2 * ShiftNs;
}
