using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Steps of a VM that programs its EHCI controller, with care or without.</summary>
/// <remarks>Structures stand in the first two pages of the VM's memory, wherever these are mapped for the device.</remarks>
internal static class EhciSteps
{
    private const int Operational = 0x20;
    private const uint QueueHeadLink = 1 << 1;
    private const uint Terminate = 1;
    private const ulong SlotBytes = 0x200;
    private const ulong FrameListAt = 0x1000;
    private const int ScheduleBytes = 0x4000;
    private const ulong MicroframeNs = 125_000;
    private static readonly GuestParameter _guest = new();
    private static readonly DeviceParameter _device = new();
    private static readonly NumberParameter _slot = new("SLOT", 3, 0, 1);
    private static readonly PlaceParameter _buffer = new(
        "BUFFER", PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Gone, PlaceKind.Gone, PlaceKind.Frame, PlaceKind.Vmm, PlaceKind.Own, PlaceKind.Interrupts, PlaceKind.Number);

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("ehci-wake", 3, static (world, step) => Wake(world, step.Guest(0), step.Device(1)), _guest, _device),
        new("ehci-transfer", 8, static (world, step) => Transfer(world, step), _guest, _device, _slot, _buffer, new NumberParameter("LENGTH", 0x5000, 18, 64, 4096, 0x5000), _buffer),
        new("ehci-fill", 3, static (world, step) => Fill(world, step), _guest, _device, new NumberParameter("SEED", 0xFFFF)),
        new("ehci-async", 3, static (world, step) => Point(world, step, EhciOperationalOffsets.AsyncListAddress, new UsbCommand { Run = true, AsyncEnable = true, InterruptThreshold = 1 }), _guest, _device, _buffer),
        new("ehci-periodic", 3, static (world, step) => Point(world, step, EhciOperationalOffsets.PeriodicListBase, new UsbCommand { Run = true, PeriodicEnable = true, InterruptThreshold = 1 }), _guest, _device, _buffer),
        new("ehci-register", 2, static (world, step) => Operate(world, step.Guest(0), step.Device(1), (int)step[2] * 4, (uint)step.Address(3, step.Guest(0), step.Device(1))),
            _guest, _device, new NumberParameter("REGISTER", 0x18), _buffer),
    ];

    /// <summary>Where a device finds a byte of its VM's memory; the byte's own address where it is not mapped.</summary>
    public static ulong DeviceAddressOf(WorldDevice device, ulong guestAddress)
    {
        foreach (BookedMapping mapping in device.Mappings)
        {
            if (guestAddress >= mapping.Guest && guestAddress - mapping.Guest < mapping.Length)
                return mapping.Device + (guestAddress - mapping.Guest);
        }

        return guestAddress;
    }

    // As a driver does, until a device answers at address 0.
    private static void Wake(IsolationWorld world, WorldGuest guest, WorldDevice device)
    {
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, 0);
        world.Host.Loop.RunFor(16 * MicroframeNs);
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, new UsbCommand { Reset = true }.Raw.Value);
        world.Host.Loop.RunFor(MicroframeNs);
        Operate(world, guest, device, EhciOperationalOffsets.ConfigureFlag, 1);
        Operate(world, guest, device, EhciOperationalOffsets.InterruptEnable, 0x3F);
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, InterruptThreshold = 1 }.Raw.Value);
        world.Host.Loop.RunFor(16 * MicroframeNs);
        Operate(world, guest, device, EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true, Reset = true }.Raw.Value);
        world.Host.Loop.RunFor(8 * 55 * MicroframeNs);
        Operate(world, guest, device, EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true }.Raw.Value);
        world.Host.Loop.RunFor(8 * 5 * MicroframeNs);
    }

    // A control transfer that reads a descriptor of the device into a buffer: a queue head and three transfers.
    private static void Transfer(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        ulong slot = step[2] * SlotBytes;
        uint at = (uint)DeviceAddressOf(device, slot);
        ulong next = step.Address(5, guest, device);
        EndpointCharacteristics endpoint = new() { Speed = EndpointSpeed.High, ToggleFromDescriptor = true, ReclamationHead = true, MaxPacketSize = 64 };
        EndpointCapabilities capabilities = new() { Multiplier = 1, StartMask = 0xFF };
        GuestSteps.Write(world, guest, slot, [((uint)next & ~31u) | QueueHeadLink, endpoint.Raw.Value, capabilities.Raw.Value, 0, at + 0x80, Terminate, 0]);
        Put(0x80, at + 0xC0, PacketId.Setup, toggle: false, at + 0x1C0, 8);
        Put(0xC0, at + 0x100, PacketId.In, toggle: true, step.Address(3, guest, device), (int)step[4]);
        Put(0x100, Terminate, PacketId.Out, toggle: true, 0, 0);
        GuestSteps.Write(world, guest, slot + 0x1C0, [0x0100_0680, 0x0040_0000]);
        Operate(world, guest, device, EhciOperationalOffsets.AsyncListAddress, at);
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true, InterruptThreshold = 1 }.Raw.Value);
        world.Host.Loop.RunFor(3 * MicroframeNs);

        void Put(ulong offset, uint following, PacketId packet, bool toggle, ulong buffer, int length)
        {
            TransferToken token = new() { Active = true, ErrorCount = 3, PacketId = packet, TotalBytes = length, DataToggle = toggle, InterruptOnComplete = true };
            uint[] words = new uint[13];
            (words[0], words[1], words[2], words[3], words[8]) = (following, Terminate, token.Raw.Value, (uint)buffer, (uint)(buffer >> 32));
            for (uint page = 1; page < 5; page++)
                (words[3 + page], words[8 + page]) = ((uint)((buffer & ~0xFFFul) + (page << 12)), (uint)(buffer >> 32));
            GuestSteps.Write(world, guest, slot + offset, words);
        }
    }

    // Four pages of structures that lead to each other, most of them sound; then both lists run.
    private static void Fill(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        uint start = (uint)DeviceAddressOf(device, 0);
        HostileSchedule schedule = new(new((int)step[2]), start, ScheduleBytes);
        byte[] memory = new byte[ScheduleBytes];
        schedule.Fill(memory);
        schedule.FrameList().CopyTo(memory.AsSpan((int)FrameListAt));
        GuestSteps.Write(world, guest, 0, MemoryMarshal.Cast<byte, uint>(memory.AsSpan()));
        Operate(world, guest, device, EhciOperationalOffsets.AsyncListAddress, schedule.QueueHeadAddress());
        Operate(world, guest, device, EhciOperationalOffsets.PeriodicListBase, start + (uint)FrameListAt);
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true, PeriodicEnable = true, InterruptThreshold = 1 }.Raw.Value);
        world.Host.Loop.RunFor(4 * MicroframeNs);
    }

    private static void Point(IsolationWorld world, StepArguments step, int register, UsbCommand command)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true }.Raw.Value);
        world.Host.Loop.RunFor(2 * MicroframeNs);
        Operate(world, guest, device, register, (uint)step.Address(2, guest, device));
        Operate(world, guest, device, EhciOperationalOffsets.UsbCommand, command.Raw.Value);
        world.Host.Loop.RunFor(2 * MicroframeNs);
    }

    private static void Operate(IsolationWorld world, WorldGuest guest, WorldDevice device, int register, uint value) => GuestSteps.Store(
        world, guest, world.AddressOf(new(PlaceKind.Registers, 0, 0, 0), guest, device) + Operational + (ulong)register, sizeof(uint), value);
}
