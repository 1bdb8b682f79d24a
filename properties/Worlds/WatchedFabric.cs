using Dma.Machine;

namespace Dma.Properties;

/// <summary>A fabric whose transactions a test sees first; it may refuse any of them.</summary>
/// <param name="inner">Where transactions go that are let through.</param>
/// <param name="watch">Looks at direction, address and length; an outcome other than <see cref="DmaStatus.None"/> is the answer.</param>
internal sealed class WatchedFabric(IDmaFabric inner, WatchedFabric.Watch watch) : IDmaFabric
{
    public delegate DmaStatus Watch(bool isWrite, Iova address, int length);

    public IDmaPort Open(SourceId source) => new Port(inner.Open(source), watch);

    private sealed class Port(IDmaPort inner, Watch watch) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            DmaStatus answer = watch(false, address, destination.Length);
            return answer == DmaStatus.None ? inner.Read(address, destination, attributes) : answer;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            DmaStatus answer = watch(true, address, source.Length);
            return answer == DmaStatus.None ? inner.Write(address, source, attributes) : answer;
        }
    }
}
