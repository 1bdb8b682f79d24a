using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>From the moment at which work was there to the moment at which it was seen to be done, in microframes.</summary>
public sealed class LatencyMeter
{
    private const int ShortMax = 1024;

    // One for each number of microframes; what takes longer than all of them is in the last one.
    private readonly ulong[] _counts = new ulong[ShortMax + 1];
    private ulong _total;

    /// <summary>How many were measured.</summary>
    public ulong Count { get; private set; }

    /// <summary>The longest, in microframes.</summary>
    public ulong Max { get; private set; }

    /// <summary>The mean, in microframes; 0 where none was measured.</summary>
    public double Mean => Count == 0 ? 0 : (double)_total / Count;

    /// <summary>Adds one.</summary>
    /// <param name="timeNs">How long it took, in nanoseconds; a microframe that was begun counts.</param>
    public void Add(ulong timeNs)
    {
        ulong microframes = (timeNs + WireTime.MicroframeNs - 1) / WireTime.MicroframeNs;
        _counts[Math.Min(microframes, ShortMax)]++;
        _total += microframes;
        Max = Math.Max(Max, microframes);
        Count++;
    }

    /// <summary>The number of microframes within which a part of all was done; beyond 1023, the longest of all.</summary>
    /// <param name="part">0 to 1.</param>
    public ulong Percentile(double part)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Math.Abs(part - 0.5), 0.5, nameof(part));
        ulong wanted = (ulong)Math.Ceiling(part * Count);
        ulong seen = 0;
        for (uint microframes = 0; microframes < ShortMax; microframes++)
        {
            seen += _counts[microframes];
            if (seen >= wanted)
                return microframes;
        }

        return Max;
    }
}
