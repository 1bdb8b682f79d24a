namespace Dma.Machine;

/// <summary>The requester of a bus transaction: bus 15:8, device 7:3, function 2:0.</summary>
/// <param name="Value">The sixteen bits as they travel in a PCI Express request.</param>
public readonly record struct SourceId(ushort Value)
{
    /// <summary>The source-id of a function, from its place on the bus.</summary>
    /// <param name="bus">0 to 255.</param>
    /// <param name="device">0 to 31.</param>
    /// <param name="function">0 to 7.</param>
    public SourceId(int bus, int device, int function)
        : this(checked((ushort)((bus << 8) | (device << 3) | function)))
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)device, 31u);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)function, 7u);
    }

    /// <summary>Bits 15:8.</summary>
    public byte Bus => (byte)(Value >> 8);

    /// <summary>Bits 7:3.</summary>
    public int Device => (Value >> 3) & 31;

    /// <summary>Bits 2:0.</summary>
    public int Function => Value & 7;

    /// <summary>Bits 7:0, the index into a context table.</summary>
    public byte DeviceFunction => (byte)Value;

    /// <summary>The notation of kernel logs, <c>00:1d.0</c>.</summary>
    public override string ToString() => $"{Bus:x2}:{Device:x2}.{Function}";
}
