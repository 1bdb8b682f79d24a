using Dma.Devices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A machine for scripts with the teaching device in it, and software that drives both by physical addresses alone.</summary>
internal sealed class EduWorld : IDisposable
{
    public const ulong Buffer = 0x40000;
    public const ulong Source = 0x80;
    public const ulong Destination = 0x88;
    public const ulong Count = 0x90;
    public const ulong Command = 0x98;
    public const ulong TransferNs = 100_000_000;
    public const ulong Unit = 0xFED9_0000;

    private const ulong RootTable = 0x10_0000;
    private const ulong ContextTable = 0x10_1000;
    private const ulong PagingTable = 0x10_2000;

    private readonly ulong _base;

    public EduWorld(HardwareProfile? profile = null, EduOptions? options = null, ulong ramBytes = 4 << 20)
    {
        Machine = new(new() { Profile = profile, RamBytes = ramBytes });
        Device = Machine.Plug(new EduDevice(Machine.Loop, options), 4);
        Machine.PlaceBars();
        _base = Device.DecodedAt(0)!.Value;
    }

    public ScriptedMachine Machine { get; }

    public EduDevice Device { get; }

    public TableWriter Tables => new(Machine.Memory, PagingTable + 4096);

    public void Dispose() => Machine.Dispose();

    public ulong Read(ulong offset, int width = 4) => Machine.Load(_base + offset, width);

    public void Write(ulong offset, ulong value, int width = 4) => Machine.Store(_base + offset, width, value);

    /// <summary>Programs a transfer and lets it run to its end.</summary>
    /// <returns>The command register then.</returns>
    public ulong Transfer(ulong source, ulong destination, ulong count, ulong command)
    {
        Write(Source, source, 8);
        Write(Destination, destination, 8);
        Write(Count, count, 8);
        Write(Command, command, 8);
        Machine.Loop.RunFor(TransferNs);
        return Read(Command, 8);
    }

    /// <summary>Turns translation on, in legacy mode with four levels; nothing is mapped yet.</summary>
    /// <returns>The writer with which pages are mapped by <see cref="Map"/>.</returns>
    public TableWriter EnableTranslation()
    {
        TableWriter tables = Tables;
        tables.Put(RootTable, ContextTable | 1);
        ulong context = ContextTable + (16ul * Device.Source.DeviceFunction);
        tables.Put(context, PagingTable | 1);
        tables.Put(context + 8, (1 << 8) | 2);
        Machine.Store(Unit + RegisterOffsets.RootTableAddress, 8, RootTable);
        Machine.Store(Unit + RegisterOffsets.GlobalCommand, 4, 1u << 30);
        Machine.Store(Unit + RegisterOffsets.GlobalCommand, 4, 1u << 31);
        Assert.Equal(0xC000_0000ul, Machine.Load(Unit + RegisterOffsets.GlobalStatus, 4));
        return tables;
    }

    /// <summary>Lets a page of device addresses lead to a page of memory, for reading and writing.</summary>
    public static void Map(TableWriter tables, ulong from, ulong to) => tables.Map(PagingTable, 4, from, to | 3, 1, 3);

    public byte[] Memory(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(Machine.Memory.TryRead(new PhysicalAddress(address), bytes.AsSpan()));
        return bytes;
    }

    public void Put(ulong address, ReadOnlySpan<byte> bytes) => Assert.True(Machine.Memory.TryWrite(new PhysicalAddress(address), bytes));
}
