using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The PCI function under whose name a merge engine reaches the memory of one VM: it has a requester id of its own, and nothing else.</summary>
/// <remarks>While it may not master the bus, nothing is fetched for its VM.</remarks>
public sealed class MergeLane : PciFunction
{
    internal MergeLane()
        : base(new PciIdentity(0x8086, 0x293E, 0x088000)) =>
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));

    /// <summary>Its way to memory.</summary>
    internal IDmaPort Way => Dma;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => 0;

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
    }
}
