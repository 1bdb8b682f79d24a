using Dma.Machine;

namespace Dma.Workloads;

/// <summary>A device with a page of registers that hold a number each, and an interrupt that it raises when it is told.</summary>
internal sealed class BenchDevice : PciFunction
{
    private const ulong Step = 0x9E37_79B9;

    /// <summary>A device that is not plugged in.</summary>
    public BenchDevice()
        : base(new(0x1234, 0xD31F, 0xFF_0000))
    {
        AddMemoryBar(0, 4096);
        AddCapability(new MsiCapability());
        AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
    }

    /// <summary>Raises the interrupt.</summary>
    public void Raise() => RaiseInterrupt();

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => (uint)(offset * Step);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
    }
}
