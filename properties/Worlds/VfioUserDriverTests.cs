using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>Our own drivers in somebody else's machine: registers by messages, memory shared or not, interrupts by events.</summary>
public sealed class VfioUserDriverTests
{
    private const ulong RamBytes = 16 << 20;
    private const byte UsbVector = 0x40;
    private const uint ReadWrite = 3;

    /// <summary>How a client lets the server have its memory.</summary>
    public enum Sharing
    {
        Sealed,
        Unsealed,
        Messages,
    }

    [Theory]
    [InlineData(UsbControllers.Ehci, Sharing.Sealed, "friendly", false)]
    [InlineData(UsbControllers.Ehci, Sharing.Sealed, "hostile", false)]
    [InlineData(UsbControllers.Ehci, Sharing.Unsealed, "xeon-scalable", false)]
    [InlineData(UsbControllers.Ehci, Sharing.Messages, "friendly", false)]
    [InlineData(UsbControllers.Ehci, Sharing.Messages, "minimal", true)]
    [InlineData(UsbControllers.Xhci, Sharing.Sealed, "friendly", false)]
    [InlineData(UsbControllers.Xhci, Sharing.Messages, "minimal", true)]
    public void Drivers_find_a_disk_and_read_it(string usb, Sharing sharing, string profile, bool byPin)
    {
        byte[] content = new byte[64 * 512];
        new Random(7).NextBytes(content);
        using VfioUserRun run = new(
            loop =>
            {
                UsbController controller = UsbControllers.Create(usb, loop);
                controller.FreePortFor(UsbSpeed.High)!.Plug(new MassStorageDevice(new MemoryDiskImage(content)));
                return controller.Function;
            },
            profile);
        int clients = sharing == Sharing.Sealed && profile == "friendly" ? 2 : 1;
        for (int client = 0; client < clients; client++)
        {
            using VfioUserWire wire = VfioUserWire.Connect(run.Path);
            using SafeFileHandle shared = UnixDescriptors.CreateMemory((long)RamBytes, sharing == Sharing.Sealed);
            using PhysicalMemory memory = new();
            memory.AddFile(new(0), RamBytes, VfioUserBench.Share(shared), 0);
            using SafeFileHandle signalled = UnixDescriptors.CreateEvent();
            DmaMapMessage map = new(32, ReadWrite, 0, 0, RamBytes);
            if (sharing == Sharing.Messages)
                wire.Memory = memory;
            _ = wire.Do(VfioUserCommand.DmaMap, VfioUserBench.Bytes(map), sharing == Sharing.Messages ? [] : [shared]);
            InterruptSet set = new(20, InterruptSetFlags.DataEvent | InterruptSetFlags.Trigger, (uint)(byPin ? InterruptType.Intx : InterruptType.Msi), 0, 1);
            _ = wire.Do(VfioUserCommand.DeviceSetIrqs, VfioUserBench.Bytes(set), signalled);
            VfioUserCpu cpu = new(wire, memory, signalled, UsbVector, () => run.NowNs);
            if (byPin)
                UnmaskForEver(cpu, wire);
            Assert.Equal(content, cpu.Loop.Run(() => ReadDisk(cpu, byPin)));
            Assert.NotEqual(0ul, cpu.Interrupts);
            Assert.Equal(sharing == Sharing.Messages, wire.Accesses != 0);
        }

        run.WaitFor("client 1 left: it went away;");
        run.WaitFor("no access refused");
    }

    // As a client does after each end of interrupt.
    private static void UnmaskForEver(VfioUserCpu cpu, VfioUserWire wire)
    {
        InterruptSet unmask = new(20, InterruptSetFlags.DataNone | InterruptSetFlags.Unmask, (uint)InterruptType.Intx, 0, 1);
        ScheduledEvent? again = null;
        again = new(() =>
        {
            _ = wire.Do(VfioUserCommand.DeviceSetIrqs, VfioUserBench.Bytes(unmask));
            cpu.Loop.Schedule(1_000_000, again!);
        });
        cpu.Loop.Schedule(0, again);
    }

    private static async Task<byte[]> ReadDisk(VfioUserCpu cpu, bool byPin)
    {
        IConfigurationAccess configuration = cpu;
        configuration.Write32(PciOffset.Bar0, 0xC000_0000);
        IdentityDmaSpace dma = new(cpu, new FrameAllocator(new(1 << 20), RamBytes - (1 << 20)));
        PciDevice device = PciDevice.Open(cpu, cpu, VfioUserCpu.Place, dma, UsbVector);
        if (byPin)
            configuration.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
        return await DiskReader.ReadAll(device);
    }
}
