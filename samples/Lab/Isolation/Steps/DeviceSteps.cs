using Dma.Machine;

namespace Dma.Lab;

/// <summary>Steps of devices: of a probe, which does what it is told, and of the teaching device, which a VM programs.</summary>
internal static class DeviceSteps
{
    private const ulong EduBuffer = 0x40000;
    private const int DeviceLengthMax = ProbeDevice.RegisterBytes;
    private static readonly DeviceParameter _device = new();
    private static readonly DeviceParameter _name = new("AS", IncludesWitness: true);
    private static readonly NumberParameter _length = new("LENGTH", DeviceLengthMax, 4, 64, 512, 4096);
    private static readonly PlaceParameter _target = new(
        "ADDRESS", PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Gone, PlaceKind.Gone, PlaceKind.Gone, PlaceKind.Frame, PlaceKind.Vmm,
        PlaceKind.Own, PlaceKind.Unit, PlaceKind.Interrupts, PlaceKind.Number);

    private static readonly PlaceParameter _message = new("ADDRESS", PlaceKind.Interrupts, PlaceKind.Interrupts, PlaceKind.Interrupts, PlaceKind.Number);
    private static readonly NumberParameter _data = new("DATA", uint.MaxValue, 0, 1, 0x20, 0x21, 0x22, 0x30, 0x31, 0x51);

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("dma-read", 10, static (world, step) => Read(world, step, 0, 0, 1, 2, default), _device, _target, _length),
        new("dma-write", 12, static (world, step) => Write(world, step, 0, 0, 1, 2, default), _device, _target, _length),
        new("dma-swap", 2, static (world, step) => world.Send(step.Device(0), probe => probe.Swap(step.Address(1, null, step.Device(0)), 0, 1)), _device, _target),
        new("dma-ask", 1, static (world, step) => world.Send(step.Device(0), probe => Ask(probe, step.Address(1, null, step.Device(0)))), _device, _target),
        new("dma-translated", 2, static (world, step) => Write(world, step, 0, 0, 1, 2, new(AddressType.Translated)), _device, _target, _length),
        new("dma-pasid", 1, static (world, step) => Write(world, step, 0, 0, 1, 2, new() { Pasid = new(1) }), _device, _target, _length),
        new("dma-page", 1, static (world, step) => world.Send(step.Device(0), probe => AskForPage(probe, step.Address(1, null, step.Device(0)))), _device, _target),
        new("forge-read", 4, static (world, step) => Read(world, step, 0, 1, 2, 3, default), _device, _name, _target, _length),
        new("forge-write", 6, static (world, step) => Write(world, step, 0, 1, 2, 3, default), _device, _name, _target, _length),
        new("interrupt", 4, static (world, step) => world.Send(step.Device(0), static probe =>
        {
            probe.Interrupt();
            return DmaStatus.Success;
        }), _device),
        new("msi", 4, static (world, step) => Message(world, step, 0, 0, 1), _device, _message, _data),
        new("forge-msi", 2, static (world, step) => Message(world, step, 0, 1, 2), _device, _name, _message, _data),
        new("edu", 2, static (world, step) => Edu(world, step), new GuestParameter(), _device, new ChoiceParameter("from", "to"), _target, _length),
    ];

    private static SourceId? Claimed(StepArguments step, int device, int name) => device == name ? null : step.Device(name).Source;

    private static void Read(IsolationWorld world, StepArguments step, int device, int name, int address, int length, DmaAttributes attributes)
    {
        ulong at = step.Address(address, null, step.Device(name));
        int bytes = (int)step[length];
        world.Send(step.Device(device), probe => probe.Read(Claimed(step, device, name), at, bytes, attributes));
    }

    private static void Write(IsolationWorld world, StepArguments step, int device, int name, int address, int length, DmaAttributes attributes)
    {
        ulong at = step.Address(address, null, step.Device(name));
        byte[] bytes = new byte[step[length]];
        for (int index = 0; index < bytes.Length; index++)
            bytes[index] = (byte)((index * 7) + 1);
        world.Send(step.Device(device), probe => probe.Write(Claimed(step, device, name), at, bytes, attributes));
    }

    private static DmaStatus Ask(ProbeDevice probe, ulong address)
    {
        _ = probe.Ask(address);
        return DmaStatus.Success;
    }

    private static DmaStatus AskForPage(ProbeDevice probe, ulong address)
    {
        probe.AskForPage(address);
        return DmaStatus.Success;
    }

    private static void Message(IsolationWorld world, StepArguments step, int device, int name, int address)
    {
        ulong at = step.Address(address, null, step.Device(name));
        byte[] data = BitConverter.GetBytes((uint)step[address + 1]);
        world.Send(step.Device(device), probe => probe.Write(Claimed(step, device, name), at, data));
    }

    private static void Edu(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        ulong registers = world.AddressOf(new(PlaceKind.Registers, 0, 0, 0), guest, device);
        ulong address = step.Address(3, guest, device);
        bool isFrom = step[2] == 0;
        GuestSteps.Store(world, guest, registers + 0x80, 8, isFrom ? EduBuffer : address);
        GuestSteps.Store(world, guest, registers + 0x88, 8, isFrom ? address : EduBuffer);
        GuestSteps.Store(world, guest, registers + 0x90, 8, step[4]);
        GuestSteps.Store(world, guest, registers + 0x98, 8, isFrom ? 7u : 5u);
    }
}
