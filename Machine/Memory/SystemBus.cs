namespace Dma.Machine;

/// <summary>The machine as its processors see it: memory, windows of device registers, and I/O ports.</summary>
/// <remarks>Register windows lie over memory. Where nothing answers, reads give all ones and writes are lost.</remarks>
/// <param name="memory">The memory behind the bus.</param>
public sealed class SystemBus(PhysicalMemory memory)
{
    private readonly List<Window> _windows = [];
    private readonly List<Window> _ports = [];

    /// <summary>The memory behind the bus.</summary>
    public PhysicalMemory Memory => memory;

    /// <summary>Lets a device answer at memory addresses. Of overlapping windows the one added first answers.</summary>
    /// <param name="start">The first byte.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="device">Who answers.</param>
    public void AddWindow(PhysicalAddress start, ulong length, IMmioDevice device) => _windows.Add(new(start.Value, length, device));

    /// <summary>Takes back a window that starts at an address and belongs to a device; nothing happens where there is none.</summary>
    public void RemoveWindow(PhysicalAddress start, IMmioDevice device) =>
        _windows.RemoveAll(window => window.Start == start.Value && window.Device == device);

    /// <summary>Lets a device answer at I/O ports.</summary>
    public void AddPorts(ushort start, int length, IMmioDevice device) => _ports.Add(new(start, (ulong)length, device));

    /// <summary>A load of 1, 2, 4 or 8 bytes.</summary>
    public ulong Load(PhysicalAddress address, int width)
    {
        if (Find(_windows, address.Value, width) is { } window)
            return window.Device.Read(address.Value - window.Start, width);
        Span<byte> bytes = stackalloc byte[8];
        return memory.TryRead(address, bytes[..width])
            ? BitConverter.ToUInt64(bytes) & RegisterFile.AllOnes(width)
            : RegisterFile.AllOnes(width);
    }

    /// <summary>A store of 1, 2, 4 or 8 bytes.</summary>
    public void Store(PhysicalAddress address, int width, ulong value)
    {
        if (Find(_windows, address.Value, width) is { } window)
        {
            window.Device.Write(address.Value - window.Start, width, value);
            return;
        }

        Span<byte> bytes = stackalloc byte[8];
        BitConverter.TryWriteBytes(bytes, value);
        _ = memory.TryWrite(address, bytes[..width]);
    }

    /// <summary>Reads an I/O port, 1, 2 or 4 bytes.</summary>
    public uint In(ushort port, int width) =>
        Find(_ports, port, width) is { } window
            ? (uint)window.Device.Read(port - window.Start, width)
            : (uint)RegisterFile.AllOnes(width);

    /// <summary>Writes an I/O port, 1, 2 or 4 bytes.</summary>
    public void Out(ushort port, int width, uint value)
    {
        if (Find(_ports, port, width) is { } window)
            window.Device.Write(port - window.Start, width, value);
    }

    private static Window? Find(List<Window> windows, ulong address, int width)
    {
        foreach (Window window in windows)
        {
            if (address - window.Start < window.Length && window.Length - (address - window.Start) >= (ulong)width)
                return window;
        }

        return null;
    }

    private sealed record Window(ulong Start, ulong Length, IMmioDevice Device);
}
