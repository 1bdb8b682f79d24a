namespace Dma.Vmm;

/// <summary>What a poller did.</summary>
public sealed class PollingCounts
{
    /// <summary>Turns.</summary>
    public ulong Turns { get; internal set; }

    /// <summary>Turns after which it napped.</summary>
    public ulong Naps { get; internal set; }

    /// <summary>Changes that it found in memory.</summary>
    public ulong Changes { get; internal set; }

    /// <summary>Writes that it took from rings.</summary>
    public ulong RingWrites { get; internal set; }

    /// <summary>Times that a guest asked it, by an exit, to empty its ring at once.</summary>
    public ulong Kicks { get; internal set; }

    /// <summary>Rings whose counters made no sense, and which were emptied.</summary>
    public ulong MalformedRings { get; internal set; }

    /// <summary>Turns that left a change for the next one.</summary>
    public ulong CutOffs { get; internal set; }

    /// <summary>Time spent at work, in nanoseconds.</summary>
    public ulong WorkingNs { get; internal set; }

    /// <summary>Time in which its processor could do nothing else: work, and waiting that is no nap. In nanoseconds.</summary>
    public ulong BurnedNs { get; internal set; }
}
