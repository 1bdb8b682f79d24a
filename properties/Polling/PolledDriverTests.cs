using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Drivers that know nothing of polling, on controllers whose registers are polled.</summary>
public sealed class PolledDriverTests
{
    private static readonly SourceId Place = new(0, 4, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Through_the_ring_an_unmodified_driver_reads_its_disk_without_an_exit(bool isXhci)
    {
        (bool isRead, ulong exits, _) = Read(isXhci, PolledAccess.WriteRing);
        Assert.True(isRead);
        Assert.Equal(0ul, exits);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_registers_trap_each_access_exits(bool isXhci)
    {
        (bool isRead, ulong exits, _) = Read(isXhci, PolledAccess.Trapped);
        Assert.True(isRead);
        Assert.True(exits > 8);
    }

    [Fact]
    public void Of_xhci_the_doorbells_alone_can_be_polled_and_of_ehci_nothing()
    {
        (bool isRead, ulong exits, int pages) = Read(isXhci: true, PolledAccess.SafePages);
        Assert.True(isRead);
        Assert.Equal(1, pages);
        Assert.True(exits < Read(isXhci: true, PolledAccess.Trapped).Exits);
        Assert.Equal(0, Read(isXhci: false, PolledAccess.SafePages).Pages);
    }

    [Fact]
    public void Without_the_ring_the_first_command_of_xhci_is_never_seen() => Assert.False(Read(isXhci: true, PolledAccess.EveryPage).IsRead);

    private static (bool IsRead, ulong Exits, int Pages) Read(bool isXhci, PolledAccess access)
    {
        using Host host = new(new HostOptions { MemoryBytes = 64 << 20, VmmBytes = 32 << 20 });
        host.Boot();
        byte[] content = new byte[64 * 512];
        host.RandomFor("disk").NextBytes(content);
        MassStorageDevice disk = new(new MemoryDiskImage(content));
        PciFunction controller;
        if (isXhci)
        {
            XhciController xhci = new(host.Loop, new() { SlotCount = 4 });
            xhci.Ports[0].Plug(disk);
            controller = xhci;
        }
        else
        {
            EhciController ehci = new(host.Loop);
            ehci.Usb.Ports[0].Plug(disk);
            controller = ehci;
        }

        VirtualMachine vm = host.CreateMachine("VM 1", 4 << 20);
        PolledRegisters polled = new RegisterPoller(host, new() { NapNs = 50_000 }).Plug(vm, controller, Place, access);
        return host.Loop.Run(Play);

        async Task<(bool, ulong, int)> Play()
        {
            IdentityDmaSpace dma = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), 2 << 20));
            ExitlessDevice device = new(vm.Cpu, PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), Place, dma, 0x40));
            try
            {
                MassStorageDriver driver = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(await UsbHostControllers.Start(device), 1));
                MemoryBuffer buffer = dma.Allocate(4096);
                ulong before = vm.Cpu.Processor.Meter[Cost.Exit];
                bool isSame = true;
                byte[] got = new byte[4096];
                for (ulong block = 0; block < 64; block += 8)
                {
                    await driver.Read(block, buffer);
                    buffer.Read(0, got);
                    isSame &= got.AsSpan().SequenceEqual(content.AsSpan((int)block * 512, 4096));
                }

                return (isSame, vm.Cpu.Processor.Meter[Cost.Exit] - before, polled.MappedPages);
            }
            catch (DriverException)
            {
                return (false, 0, polled.MappedPages);
            }
        }
    }
}
