using Dma.Machine;

namespace Dma.Properties;

/// <summary>A PCI function that does whatever DMA it is told to, and has a few registers and an interrupt.</summary>
internal sealed class DmaDevice : PciFunction
{
    /// <summary>Bytes behind its BAR.</summary>
    public const ulong BarBytes = 8192;

    private readonly byte[] _registers = new byte[BarBytes];

    public DmaDevice(bool functionLevelReset = true, ulong barBytes = BarBytes, uint classCode = 0x0C_03_20)
        : base(new(0x1234, 0xD3A0, classCode))
    {
        AddMemoryBar(0, barBytes);
        _ = AddCapability(new MsiCapability());
        if (functionLevelReset)
            _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        AddRegister(new(0xE0, 4, "OWN", new(0x11223344, Writable: 0x0000_FFFF)));
    }

    /// <summary>How often it was reset since power-on.</summary>
    public int Resets { get; private set; }

    /// <summary>Whether it answers after a reset.</summary>
    public bool DiesAtReset { get; set; }

    public DmaStatus Read(ulong address, Span<byte> destination) => Dma.Read(new(address), destination);

    public DmaStatus Write(ulong address, ReadOnlySpan<byte> source) => Dma.Write(new(address), source);

    public void Interrupt() => RaiseInterrupt();

    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        Span<byte> bytes = stackalloc byte[8];
        _registers.AsSpan((int)offset, width).CopyTo(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    public override void WriteBar(int bar, ulong offset, int width, ulong value) =>
        BitConverter.GetBytes(value).AsSpan(0, width).CopyTo(_registers.AsSpan((int)offset));

    protected override void OnReset()
    {
        Resets++;
        Array.Clear(_registers);
        if (DiesAtReset)
            Bus?.Remove(this);
    }
}
