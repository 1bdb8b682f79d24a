namespace Dma.Machine;

/// <summary>Configuration space as memory: bits 27:20 of the offset are the bus, 19:12 device and function, 11:0 the register.</summary>
/// <param name="host">The root of the hierarchy.</param>
/// <param name="startBus">The bus at offset 0.</param>
internal sealed class EcamWindow(PciHost host, byte startBus) : IMmioDevice
{
    /// <summary>A bus takes this power of two of bytes.</summary>
    public const int BusShift = 20;

    private const int FunctionShift = 12;

    public ulong Read(ulong offset, int width)
    {
        // A configuration request carries at most a doubleword.
        if (width == 8)
            return Read(offset, 4) | (Read(offset + 4, 4) << 32);
        return host.ReadConfiguration(Target(offset), Register(offset), width);
    }

    public void Write(ulong offset, int width, ulong value)
    {
        if (width == 8)
        {
            Write(offset, 4, value & uint.MaxValue);
            Write(offset + 4, 4, value >> 32);
            return;
        }

        host.WriteConfiguration(Target(offset), Register(offset), width, (uint)value);
    }

    private SourceId Target(ulong offset) => new((ushort)((offset >> FunctionShift) + ((ulong)startBus << 8)));

    private static int Register(ulong offset) => (int)(offset & ((1 << FunctionShift) - 1));
}
