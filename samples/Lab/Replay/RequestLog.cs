using Dma.Machine;

namespace Dma.Lab;

/// <summary>Looks at the requests of devices on their way to the unit, as a bus analyser does: answers, and the data of reads.</summary>
/// <param name="inner">Where the requests go.</param>
/// <param name="requesters">The requesters of devices that are not plugged in where the case has them.</param>
internal sealed class RequestLog(IDmaFabric inner, IReadOnlyDictionary<SourceId, SourceId> requesters) : IDmaFabric
{
    private readonly List<DmaStatus> _answers = [];
    private readonly List<byte> _data = [];
    private byte[] _staged = [];

    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) => new Port(this, inner.Open(requesters.GetValueOrDefault(source, source)));

    /// <summary>Lets the next read of a device have these bytes, past the unit: that is how its buffer is filled.</summary>
    public void Stage(byte[] bytes) => _staged = bytes;

    /// <summary>What was answered since this was last asked, and what was read; a refused read gave zeros.</summary>
    public (IReadOnlyList<DmaStatus> Answers, byte[] Data) Take()
    {
        (DmaStatus[], byte[]) taken = ([.. _answers], [.. _data]);
        _answers.Clear();
        _data.Clear();
        return taken;
    }

    private sealed class Port(RequestLog log, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            if (log._staged.Length != 0)
            {
                log._staged.CopyTo(destination);
                log._staged = [];
                return DmaStatus.Success;
            }

            DmaStatus answer = inner.Read(address, destination, attributes);
            log._answers.Add(answer);
            log._data.AddRange(answer == DmaStatus.Success ? destination : new byte[destination.Length]);
            return answer;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            DmaStatus answer = inner.Write(address, source, attributes);
            log._answers.Add(answer);
            return answer;
        }
    }
}
