namespace Dma.Machine;

/// <summary>The machine as its processors see it: memory, windows of device registers, and I/O ports.</summary>
/// <remarks>
/// Where nothing answers, reads give all ones and writes are lost. An access that a window does not cover as a
/// whole is no access to that window.
/// </remarks>
/// <param name="memory">The memory behind the bus.</param>
public sealed class SystemBus(PhysicalMemory memory)
{
    private readonly WindowMap _windows = new();
    private readonly WindowMap _ports = new();

    /// <summary>The memory behind the bus.</summary>
    public PhysicalMemory Memory => memory;

    /// <summary>Lets a device answer at memory addresses. Of overlapping windows of one order the one added first answers.</summary>
    /// <param name="start">The first byte.</param>
    /// <param name="length">Bytes, not zero.</param>
    /// <param name="device">Who answers.</param>
    /// <param name="order">Whether it answers before memory does.</param>
    public void AddWindow(PhysicalAddress start, ulong length, IMmioDevice device, WindowOrder order = WindowOrder.OverMemory) =>
        _windows.Add(start.Value, length, device, order);

    /// <summary>Takes back a window that starts at an address and belongs to a device; nothing happens where there is none.</summary>
    public void RemoveWindow(PhysicalAddress start, IMmioDevice device) => _windows.Remove(start.Value, device);

    /// <summary>Lets a device answer at I/O ports.</summary>
    /// <param name="start">The first port.</param>
    /// <param name="length">How many.</param>
    /// <param name="device">Who answers.</param>
    public void AddPorts(ushort start, int length, IMmioDevice device) =>
        _ports.Add(start, checked((ulong)length), device, WindowOrder.OverMemory);

    /// <summary>Takes back ports that start at a number and belong to a device; nothing happens where there are none.</summary>
    public void RemovePorts(ushort start, IMmioDevice device) => _ports.Remove(start, device);

    /// <summary>A load of 1, 2, 4 or 8 bytes.</summary>
    public ulong Load(PhysicalAddress address, int width)
    {
        if (Answers(address, width, out WindowMap.Window window))
            return window.Device.Read(address.Value - window.First, width) & RegisterFile.AllOnes(width);
        return width switch
        {
            1 => memory.TryRead(address, out byte value) ? value : byte.MaxValue,
            2 => memory.TryRead(address, out ushort value) ? value : ushort.MaxValue,
            4 => memory.TryRead(address, out uint value) ? value : uint.MaxValue,
            8 => memory.TryRead(address, out ulong value) ? value : ulong.MaxValue,
            _ => throw new ArgumentOutOfRangeException(nameof(width)),
        };
    }

    /// <summary>A store of 1, 2, 4 or 8 bytes.</summary>
    public void Store(PhysicalAddress address, int width, ulong value)
    {
        if (Answers(address, width, out WindowMap.Window window))
        {
            window.Device.Write(address.Value - window.First, width, value & RegisterFile.AllOnes(width));
            return;
        }

        _ = width switch
        {
            1 => memory.TryWrite(address, (byte)value),
            2 => memory.TryWrite(address, (ushort)value),
            4 => memory.TryWrite(address, (uint)value),
            8 => memory.TryWrite(address, value),
            _ => throw new ArgumentOutOfRangeException(nameof(width)),
        };
    }

    /// <summary>Reads an I/O port, 1, 2 or 4 bytes.</summary>
    public uint In(ushort port, int width) =>
        (uint)RegisterFile.AllOnes(width) & (_ports.TryFind(port, width, out WindowMap.Window window)
            ? (uint)window.Device.Read(port - window.First, width)
            : uint.MaxValue);

    /// <summary>Writes an I/O port, 1, 2 or 4 bytes.</summary>
    public void Out(ushort port, int width, uint value)
    {
        if (_ports.TryFind(port, width, out WindowMap.Window window))
            window.Device.Write(port - window.First, width, value & RegisterFile.AllOnes(width));
    }

    private bool Answers(PhysicalAddress address, int width, out WindowMap.Window window) =>
        _windows.TryFind(address.Value, width, out window)
        && (window.Order == WindowOrder.OverMemory || !memory.IsBacked(address, (ulong)width));
}
