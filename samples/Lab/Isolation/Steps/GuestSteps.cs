using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Steps of software in a VM: hypercalls, memory, registers, ports.</summary>
internal static class GuestSteps
{
    private static readonly GuestParameter _guest = new();
    private static readonly DeviceParameter _device = new();
    private static readonly PlaceKind[] _anywhere =
    [
        PlaceKind.Number, PlaceKind.Mapping, PlaceKind.Gone, PlaceKind.Own, PlaceKind.Own, PlaceKind.Frame, PlaceKind.Frame,
        PlaceKind.Vmm, PlaceKind.Unit, PlaceKind.Interrupts, PlaceKind.Configuration, PlaceKind.Registers, PlaceKind.Registers,
    ];

    private static readonly PlaceParameter _address = new("ADDRESS", _anywhere);
    private static readonly PlaceParameter _value = new("VALUE", PlaceKind.Number, PlaceKind.Mapping, PlaceKind.Gone, PlaceKind.Own, PlaceKind.Frame);
    private static readonly NumberParameter _width = new("WIDTH", 8, 1, 2, 4, 8);

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("open", 6, static (world, step) => Open(world, step.Guest(0), step.Device(1)), _guest, _device),
        new("map", 14, static (world, step) => Map(world, step.Guest(0), step.Device(1), step.Address(2, step.Guest(0), step.Device(1)), step[3], (DmaDirection)(3 - step[4])),
            _guest, _device, new PlaceParameter("ADDRESS", PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Own, PlaceKind.Number),
            new NumberParameter("LENGTH", ulong.MaxValue, 1, 64, 4096, 8192, 16384), new ChoiceParameter("rw", "w", "r", "none")),
        new("unmap", 10, static (world, step) => Unmap(world, step.Guest(0), step.Device(1), step[2]), _guest, _device, new NumberParameter("INDEX", 255, 0, 1, 2, 3)),
        new("call", 6, static (world, step) => Call(world, step), _guest, _device, new NumberParameter("NUMBER", uint.MaxValue, [.. HypercallNumbers]),
            new PlaceParameter("HANDLE", PlaceKind.Number), _address, _address, new NumberParameter("LAST", ulong.MaxValue, 0, 1, 2, 3)),
        new("write", 4, static (world, step) => Write(world, step), _guest, new PlaceParameter("ADDRESS", PlaceKind.Own), _value) { IsRepeated = true },
        new("load", 5, static (world, step) => Load(world, step.Guest(0), step.Address(2, step.Guest(0), step.Device(1)), (int)step[3]), _guest, _device, _address, _width),
        new("store", 6, static (world, step) => Store(world, step.Guest(0), step.Address(2, step.Guest(0), step.Device(1)), (int)step[3], step.Address(4, step.Guest(0), step.Device(1))),
            _guest, _device, _address, _width, _value),
        new("in", 1, static (world, step) => In(world, step.Guest(0), (ushort)step[1], (int)step[2]), _guest, new NumberParameter("PORT", ushort.MaxValue, 0xCF8, 0xCFC), new NumberParameter("WIDTH", 4, 1, 2, 4)),
        new("out", 2, static (world, step) => Out(world, step.Guest(0), (ushort)step[1], (int)step[2], (uint)step[3]),
            _guest, new NumberParameter("PORT", ushort.MaxValue, 0xCF8, 0xCFC), new NumberParameter("WIDTH", 4, 1, 2, 4), new NumberParameter("VALUE", uint.MaxValue)),
        new("config", 5, static (world, step) => Configure(world, step.Guest(0), step.Device(1), (int)step[2], (int)step[3], (uint)step.Address(4, step.Guest(0), step.Device(1))),
            _guest, _device, new NumberParameter("OFFSET", 0xFF, 0x04, 0x10, 0x14, 0x3C, 0x40, 0x44, 0x48, 0x50, 0x52, 0x54, 0x58, 0x5C, 0x60), new NumberParameter("WIDTH", 4, 1, 2, 4), _value),
        new("run", 10, static (world, step) => world.Host.Loop.RunFor(step[0]), new NumberParameter("NANOSECONDS", 50_000_000, 1_000, 130_000, 400_000, 1_000_000)),
    ];

    private static IEnumerable<ulong> HypercallNumbers => Enum.GetValues<Hypercall>().Select(number => (ulong)number);

    /// <summary>Turns a device on, as its driver does.</summary>
    public static void Open(IsolationWorld world, WorldGuest guest, WorldDevice device) =>
        Configure(world, guest, device, PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));

    /// <summary>Maps memory for a device, and enters it in the books.</summary>
    public static void Map(IsolationWorld world, WorldGuest guest, WorldDevice device, ulong start, ulong length, DmaDirection direction) =>
        Call(world, guest, Hypercall.MapDma, device.GuestPlace.Value, start, length, (ulong)direction);

    /// <summary>A store of a VM, to memory or to whatever answers.</summary>
    public static void Store(IsolationWorld world, WorldGuest guest, ulong address, int width, ulong value)
    {
        if (guest.Machine is not { } machine || width is not (1 or 2 or 4 or 8))
            return;

        // Whoever writes its registers by chance does not know what it does from then on.
        if (guest.Iommu is { } iommu && address - MemoryLayout.RemappingUnit < (ulong)machine.Iommu!.WindowLength + sizeof(ulong))
            iommu.IsKnown = false;
        world.ActAs(guest, () => machine.Cpu.Store(new(address), width, value));
    }

    /// <summary>Software of a VM writes doublewords to its memory.</summary>
    public static void Write(IsolationWorld world, WorldGuest guest, ulong address, ReadOnlySpan<uint> words)
    {
        byte[] bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(words).ToArray();
        if (guest.Machine is { } machine)
            world.ActAs(guest, () => machine.Cpu.TryWrite(new(address), bytes));
    }

    private static void Unmap(IsolationWorld world, WorldGuest guest, WorldDevice device, ulong index)
    {
        if (device.Mappings.Count == 0)
            return;
        BookedMapping mapping = device.Mappings[(int)index % device.Mappings.Count];
        Call(world, guest, Hypercall.UnmapDma, device.GuestPlace.Value, mapping.Device, mapping.Length, 0);
    }

    private static void Call(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        Call(world, guest, (Hypercall)step[2], step.Address(3, guest, device), step.Address(4, guest, device), step.Address(5, guest, device), step[6]);
    }

    private static void Call(IsolationWorld world, WorldGuest guest, Hypercall number, ulong first, ulong second, ulong third, ulong fourth) =>
        world.Run(() => BookedCalls.Call(world, guest, number, first, second, third, fourth, isAlone: true));

    private static void Write(IsolationWorld world, StepArguments step)
    {
        uint[] words = new uint[step.Count - 2];
        for (int index = 0; index < words.Length; index++)
            words[index] = (uint)step.Address(index + 2, step.Guest(0), world.Devices.FirstOrDefault(device => device.Assignment.Machine == step.Guest(0).Machine));
        Write(world, step.Guest(0), step.Address(1, step.Guest(0), null), words);
    }

    private static void Load(IsolationWorld world, WorldGuest guest, ulong address, int width)
    {
        if (guest.Machine is { } machine && width is 1 or 2 or 4 or 8)
            world.ActAs(guest, () => world.Learned(guest, machine.Cpu.Load(new(address), width)));
    }

    private static void In(IsolationWorld world, WorldGuest guest, ushort port, int width)
    {
        if (guest.Machine is { } machine && width is 1 or 2 or 4)
            world.ActAs(guest, () => world.Learned(guest, machine.Cpu.In(port, width)));
    }

    private static void Out(IsolationWorld world, WorldGuest guest, ushort port, int width, uint value)
    {
        if (guest.Machine is { } machine && width is 1 or 2 or 4)
            world.ActAs(guest, () => machine.Cpu.Out(port, width, value));
    }

    // Through the ports, which is the only way that a VM has; an access lies within a doubleword.
    private static void Configure(IsolationWorld world, WorldGuest guest, WorldDevice device, int offset, int width, uint value)
    {
        if (guest.Machine is not { } machine || width is not (1 or 2 or 4))
            return;
        IConfigurationAccess space = new PciConfigurationPorts(machine.Cpu).Open(device.GuestPlace);
        int aligned = offset & -width;
        world.ActAs(guest, () =>
        {
            if (width == 4)
                space.Write32(aligned, value);
            else if (width == 2)
                space.Write16(aligned, (ushort)value);
            else
                space.Write8(aligned, (byte)value);
        });
    }
}
