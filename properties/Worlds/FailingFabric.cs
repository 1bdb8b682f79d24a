using Dma.Machine;

namespace Dma.Properties;

/// <summary>Memory that stops answering devices after some transactions.</summary>
/// <param name="inner">What answers until then.</param>
/// <param name="transactions">How many transactions it serves.</param>
internal sealed class FailingFabric(IDmaFabric inner, int transactions) : IDmaFabric
{
    private int _left = transactions;

    public IDmaPort Open(SourceId source) => new Port(this, inner.Open(source));

    private bool Serves() => _left-- > 0;

    private sealed class Port(FailingFabric fabric, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) =>
            fabric.Serves() ? inner.Read(address, destination, attributes) : DmaStatus.Unclaimed;

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default) =>
            fabric.Serves() ? inner.Write(address, source, attributes) : DmaStatus.Unclaimed;
    }
}
