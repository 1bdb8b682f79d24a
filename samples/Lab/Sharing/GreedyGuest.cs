using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Software of a VM that takes all the bus time it can get: its schedules hold packets that its device does not understand, and no error is counted, so that they are sent for ever.</summary>
internal static class GreedyGuest
{
    private const int QueueAt = 0x000;
    private const int InterruptAt = 0x080;
    private const int TransferAt = 0x100;
    private const int InterruptTransferAt = 0x180;
    private const int DataAt = 0x800;
    private const int FrameListBytes = 4096;
    private const int Operational = 0x20;
    private const ulong StopNs = 2_000_000;
    private const int InterruptBytes = 64;
    private const int PacketBytesMax = 512;

    /// <summary>Builds the schedules and starts them.</summary>
    /// <param name="guest">The VM, with a register set that nobody else uses, and a device with address 1.</param>
    /// <param name="packetBytes">How long asynchronous packets are, 1 to 512.</param>
    public static async Task Start(Guest guest, int packetBytes)
    {
        MemoryBuffer structures = guest.Memory.Allocate(FrameListBytes, FrameListBytes);
        MemoryBuffer frames = guest.Memory.Allocate(FrameListBytes, FrameListBytes);
        uint home = (uint)(await guest.Map(structures, DmaDirection.Bidirectional)).DeviceAddress.Value;
        uint list = (uint)(await guest.Map(frames, DmaDirection.Bidirectional)).DeviceAddress.Value;
        Write(structures, QueueAt, Queue(new() { Type = LinkType.QueueHead, Address = home + QueueAt }, home + TransferAt, isPeriodic: false));
        Write(structures, InterruptAt, Queue(new() { Terminate = true }, home + InterruptTransferAt, isPeriodic: true));
        Write(structures, TransferAt, Transfer(home, packetBytes));
        Write(structures, InterruptTransferAt, Transfer(home, InterruptBytes));
        for (int frame = 0; frame < FrameListBytes; frame += 4)
            Write(frames, frame, new LinkPointer { Type = LinkType.QueueHead, Address = home + InterruptAt });

        IRegisterWindow registers = guest.OpenBar(0);

        // The schedules of its driver end first.
        registers.Write32(Operational + EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, InterruptThreshold = 8 }.Raw.Value);
        await guest.Processor.Delay(StopNs);
        registers.Write32(Operational + EhciOperationalOffsets.PeriodicListBase, list);
        registers.Write32(Operational + EhciOperationalOffsets.AsyncListAddress, home + QueueAt);
        UsbCommand command = new() { Run = true, PeriodicEnable = true, AsyncEnable = true, InterruptThreshold = 8 };
        registers.Write32(Operational + EhciOperationalOffsets.UsbCommand, command.Raw.Value);
    }

    private static QueueHead Queue(LinkPointer next, uint transfer, bool isPeriodic) => new()
    {
        Horizontal = next,
        Characteristics = new() { DeviceAddress = 1, Endpoint = 1, Speed = EndpointSpeed.High, ReclamationHead = !isPeriodic, MaxPacketSize = PacketBytesMax },
        Capabilities = new() { Multiplier = 1, StartMask = isPeriodic ? byte.MaxValue : (byte)0 },
        Overlay = new() { Next = new() { Address = transfer }, AlternateNext = new() { Terminate = true } },
    };

    private static TransferDescriptor Transfer(uint home, int bytes) => new()
    {
        Next = new() { Terminate = true },
        AlternateNext = new() { Terminate = true },
        // Behind an OUT packet that nobody takes, a controller only tries PING, which costs less.
        Token = new() { Active = true, PacketId = PacketId.Setup, TotalBytes = bytes },
        Page0 = new(new(home + DataAt)),
    };

    private static void Write<T>(MemoryBuffer buffer, int offset, in T value)
        where T : unmanaged => buffer.Write(offset, Packed.ToArray(value, System.Runtime.CompilerServices.Unsafe.SizeOf<T>()));
}
