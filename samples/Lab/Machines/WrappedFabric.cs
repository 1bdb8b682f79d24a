using Dma.Machine;

namespace Dma.Lab;

/// <summary>A fabric with something around the ports of devices, which looks at their requests.</summary>
/// <param name="inner">Where requests go.</param>
/// <param name="wrap">Puts something around a port, or leaves it as it is.</param>
internal sealed class WrappedFabric(IDmaFabric inner, Func<IDmaPort, IDmaPort> wrap) : IDmaFabric
{
    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) => wrap(inner.Open(source));

    /// <inheritdoc/>
    public void Connect(SourceId source, IDeviceTlb? deviceTlb) => inner.Connect(source, deviceTlb);
}
