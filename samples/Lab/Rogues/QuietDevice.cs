using Dma.Machine;

namespace Dma.Lab;

/// <summary>A device that has an interrupt and does nothing: somebody's neighbour.</summary>
internal sealed class QuietDevice : PciFunction
{
    public QuietDevice()
        : base(new PciIdentity(0x1234, 0x5678, ClassCode: 0xFF_0000))
    {
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => RegisterFile.AllOnes(width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
    }
}
