using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A computer without a processor or firmware: whoever runs a script against it does what those would do.</summary>
/// <remarks>
/// The places are those of QEMU's q35 machine: memory below B000_0000h, or, where there is more than that, below
/// 8000_0000h with the rest from 4 GiB on; configuration space at ports CF8h and CFCh and at B000_0000h, from power-on;
/// an I/O APIC, whose pins 20 to 23 are the INTx lines of bus 0; a remapping unit at FED9_0000h. Messages end in
/// <see cref="Interrupts"/>. Where nothing answers, reads give all ones and writes are lost. What a script's access
/// sets off without taking time is done when the access returns; all else waits for <see cref="Loop"/>.
/// </remarks>
internal sealed class ScriptedMachine : IDisposable
{
    /// <summary>The registers of the I/O APIC.</summary>
    public const ulong IoApicStart = 0xFEC0_0000;

    /// <summary>The pin of the I/O APIC that line 0 of bus 0 is wired to.</summary>
    public const int FirstLinePin = 20;

    private const ulong LowMemoryMax = 0xB000_0000;
    private const int AccessBytesMax = 8;
    private const int PieceBytes = 4096;

    private readonly RemappingUnit? _unit;

    /// <summary>A machine that was just switched on, with nothing plugged in.</summary>
    /// <exception cref="ArgumentException">The size is no multiple of 4096, or wider than the remapping unit's addresses.</exception>
    /// <exception cref="IOException">The file with the memory cannot be opened, grown or mapped.</exception>
    public ScriptedMachine(ScriptedMachineOptions options)
    {
        Memory = CreateMemory(options);
        Bus = new(Memory);
        if (options.Profile is { } profile)
        {
            _unit = new(Memory, Interrupts, profile);
            Bus.AddWindow(new(MemoryLayout.RemappingUnit), (ulong)_unit.WindowLength, _unit);
        }

        IDmaFabric fabric = _unit ?? (IDmaFabric)new DirectFabric(Memory, Interrupts);
        Fabric = options.Watch?.Invoke(fabric) ?? fabric;
        IoApic = new(Fabric, IoApicSource);
        Pins = new(IoApic);
        Bus.AddWindow(new(IoApicStart), IoApic.Length, IoApic);
        Pci = new(Bus, Fabric, Pins.From(FirstLinePin));
        Pci.MapEcam(new(MemoryLayout.EcamStart), 0, byte.MaxValue);
    }

    /// <summary>The requester that messages of the I/O APIC carry, as in QEMU.</summary>
    public static SourceId IoApicSource { get; } = new(0xFF, 0, 0);

    /// <summary>Virtual time.</summary>
    public EventLoop Loop { get; } = new();

    /// <summary>Its memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>What a processor would be connected to.</summary>
    public SystemBus Bus { get; }

    /// <summary>Its PCI hierarchy.</summary>
    public PciHost Pci { get; }

    /// <summary>Its I/O APIC.</summary>
    public IoApic IoApic { get; }

    /// <summary>The wires into the I/O APIC.</summary>
    public WatchedPins Pins { get; }

    /// <summary>Whether there is a remapping unit.</summary>
    public bool IsRemapped => _unit is not null;

    /// <summary>The remapping unit.</summary>
    /// <exception cref="InvalidOperationException">The machine was built without one.</exception>
    public RemappingUnit Unit => _unit ?? throw new InvalidOperationException("The machine has no remapping unit.");

    /// <summary>What stands between requesters and memory; opens a port for a requester that is no device here.</summary>
    public IDmaFabric Fabric { get; }

    /// <summary>Where interrupt messages arrive.</summary>
    public InterruptLog Interrupts { get; } = new();

    /// <summary>Plugs a function into bus 0.</summary>
    /// <param name="function">The function.</param>
    /// <param name="device">0 to 31.</param>
    /// <param name="number">0 to 7.</param>
    /// <returns>The function.</returns>
    public T Plug<T>(T function, int device, int number = 0)
        where T : PciFunction
    {
        Pci.Add(function, device, number);
        return function;
    }

    /// <summary>Does what firmware would: gives each BAR on bus 0 an address from C000_0000h on, and turns every function on.</summary>
    public void PlaceBars()
    {
        ulong next = MemoryLayout.BarStart;
        foreach (PciFunction function in Pci.Root.Functions)
        {
            for (int bar = 0; bar < 6; bar++)
            {
                ulong size = function.BarSize(bar);
                if (size == 0)
                    continue;
                ulong place = (next + (size - 1)) & ~(size - 1);
                Pci.WriteConfiguration(function.Source, PciOffset.Bar0 + (4 * bar), 4, checked((uint)place));
                next = place + size;
            }

            Pci.WriteConfiguration(function.Source, PciOffset.Command, 2, (uint)(PciCommand.MemorySpace | PciCommand.BusMaster));
        }
    }

    /// <summary>A load of 1, 2, 4 or 8 bytes from a physical address.</summary>
    public ulong Load(ulong address, int width)
    {
        ulong value = Bus.Load(new(address), width);
        Settle();
        return value;
    }

    /// <summary>A store of 1, 2, 4 or 8 bytes to a physical address.</summary>
    public void Store(ulong address, int width, ulong value)
    {
        Bus.Store(new(address), width, value);
        Settle();
    }

    /// <summary>Reads an I/O port, 1, 2 or 4 bytes.</summary>
    public uint In(ushort port, int width)
    {
        uint value = Bus.In(port, width);
        Settle();
        return value;
    }

    /// <summary>Writes an I/O port, 1, 2 or 4 bytes.</summary>
    public void Out(ushort port, int width, uint value)
    {
        Bus.Out(port, width, value);
        Settle();
    }

    /// <summary>Reads a range of physical addresses: memory at once, anything else by aligned loads as wide as they can be.</summary>
    public void Read(ulong address, Span<byte> bytes)
    {
        while (bytes.Length != 0)
        {
            Span<byte> piece = bytes[..Piece(address, bytes.Length)];
            if (!Memory.TryRead(new PhysicalAddress(address), piece))
                LoadEach(address, piece);
            bytes = bytes[piece.Length..];
            address += (ulong)piece.Length;
        }

        Settle();
    }

    /// <summary>Writes a range of physical addresses: memory at once, anything else by aligned stores as wide as they can be.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length != 0)
        {
            ReadOnlySpan<byte> piece = bytes[..Piece(address, bytes.Length)];
            if (!Memory.TryWrite(new PhysicalAddress(address), piece))
                StoreEach(address, piece);
            bytes = bytes[piece.Length..];
            address += (ulong)piece.Length;
        }

        Settle();
    }

    /// <summary>Lets happen what is due now; no time passes.</summary>
    public void Settle() => Loop.RunFor(0);

    /// <summary>Gives the memory back to the machine below.</summary>
    public void Dispose() => Memory.Dispose();

    private static PhysicalMemory CreateMemory(ScriptedMachineOptions options)
    {
        if (options.RamBytes == 0 || options.RamBytes % PieceBytes != 0)
            throw new ArgumentException($"Memory has {options.RamBytes} bytes, which is no multiple of 4096 from 4096 on.");
        ulong low = options.RamBytes <= LowMemoryMax ? options.RamBytes : MemoryLayout.LowMemoryEnd;
        PhysicalMemory memory = new();
        try
        {
            Add(0, low, fileOffset: 0);
            if (options.RamBytes > low)
                Add(MemoryLayout.HighMemoryStart, options.RamBytes - low, fileOffset: low);
        }
        catch
        {
            memory.Dispose();
            throw;
        }

        return memory;

        void Add(ulong start, ulong length, ulong fileOffset)
        {
            if (options.Profile is { } profile && (start + length - 1) >> profile.HostAddressWidth != 0)
                throw new ArgumentException($"Memory up to {start + length:X}h is beyond the {profile.HostAddressWidth} address bits of the remapping unit.");
            if (options.RamFile is { } path)
                AddFile(memory, new(start), length, path, fileOffset);
            else
                memory.AddRam(new(start), length);
        }
    }

    // What cannot be mapped fails in many ways: a directory, a pipe, a device, a place of somebody else's.
    private static void AddFile(PhysicalMemory memory, PhysicalAddress start, ulong length, string path, ulong fileOffset)
    {
        try
        {
            memory.AddFile(start, length, path, fileOffset);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new IOException($"The file '{path}' cannot hold {length} bytes of memory: {refusal.Message}", refusal);
        }
    }

    // Up to the next page boundary, so that a range may be memory here and registers there.
    private static int Piece(ulong address, int length) => Math.Min(length, PieceBytes - (int)(address & (PieceBytes - 1)));

    private void LoadEach(ulong address, Span<byte> bytes)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        for (int done = 0; done < bytes.Length;)
        {
            int width = AccessWidth(address + (ulong)done, bytes.Length - done);
            _ = BitConverter.TryWriteBytes(value, Bus.Load(new(address + (ulong)done), width));
            value[..width].CopyTo(bytes[done..]);
            done += width;
        }
    }

    private void StoreEach(ulong address, ReadOnlySpan<byte> bytes)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        for (int done = 0; done < bytes.Length;)
        {
            int width = AccessWidth(address + (ulong)done, bytes.Length - done);
            bytes.Slice(done, width).CopyTo(value);
            Bus.Store(new(address + (ulong)done), width, BitConverter.ToUInt64(value));
            done += width;
        }
    }

    private static int AccessWidth(ulong address, int left)
    {
        int width = AccessBytesMax;
        while (width > left || (address & (ulong)(width - 1)) != 0)
            width /= 2;
        return width;
    }
}
