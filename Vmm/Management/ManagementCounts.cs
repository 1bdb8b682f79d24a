using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>What a management core did for one VM.</summary>
/// <param name="machine">Its name.</param>
/// <param name="number">Its number as a participant.</param>
public sealed class ManagementCounts(string machine, uint number)
{
    private readonly ulong[] _results = new ulong[Enum.GetValues<ManagementResult>().Length];

    /// <summary>The VM.</summary>
    public string Machine => machine;

    /// <summary>Its number as a participant.</summary>
    public uint Number => number;

    /// <summary>Requests that were taken.</summary>
    public ulong Taken { get; internal set; }

    /// <summary>Requests that finished, whatever the result.</summary>
    public ulong RequestsFinished { get; private set; }

    /// <summary>Nanoseconds from being taken to being finished, over all.</summary>
    public ulong ServiceNs { get; private set; }

    /// <summary>Bytes that the core copied into or out of its memory, but for slots.</summary>
    public ulong BytesCopied { get; internal set; }

    /// <summary>How many requests ended so.</summary>
    public ulong this[ManagementResult result] => _results[(int)result];

    internal void Finished(ManagementResult result, ulong tookNs)
    {
        RequestsFinished++;
        ServiceNs += tookNs;
        _results[(int)result]++;
    }
}
