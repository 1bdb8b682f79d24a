using Dma.Hal;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Programs that know nothing but a socket: they program devices and the remapping unit through <c>dma qtest --connect</c>.</summary>
public sealed class QtestDriverTests
{
    private const byte FaultVector = 0x30;
    private const byte UsbVector = 0x40;
    private static readonly SourceId s_controller = new(0, 0x1D, 0);

    [Fact]
    public void A_test_program_finds_edu_programs_it_and_gets_its_bytes_back()
    {
        using QtestRun run = new("--translation", "off", "--device", "edu@00:05.0,dma_mask=0xffffffffffffffff", "--ram-size", "6G");
        QtestWire wire = run.Wire;
        Assert.Equal(0x11E8_1234ul, wire.Number(Select(wire, 0x2800)));
        PlaceEdu(wire, 0x2800);
        Assert.Equal("", wire.Do("irq_intercept_in ioapic"));
        _ = wire.Do("write 0x100000000 8 0x0123456789abcdef");
        Transfer(wire, 0x1_0000_0000, 0x40000, 8, 5);
        _ = wire.Do("clock_step 1");
        Transfer(wire, 0x40000, 0x1_FFFF_FFF8, 8, 7);
        Assert.Equal("0x0123456789abcdef", wire.Do("read 0x1fffffff8 8"));
        Assert.Equal(["IRQ raise 21"], wire.Notifications);
        Assert.Equal(uint.MaxValue, wire.Number("readl 0xfed90008"));
        Assert.Equal((0, ""), (run.End().ExitCode, ""));
    }

    [Fact]
    public void Edu_goes_where_tables_lead_that_a_test_program_wrote()
    {
        using QtestRun run = new();
        QtestWire wire = run.Wire;
        PlaceEdu(wire, 0x2000);
        (ulong address, ulong value)[] tables =
        [
            (0x10_0000, 0x10_1001), (0x10_1200, 0x10_2001), (0x10_1208, 0x102), (0x10_2000, 0x10_3003), (0x10_3000, 0x10_4003), (0x10_4000, 0x10_5003),
            (0x10_5038, 0x20_0003),
        ];
        foreach ((ulong address, ulong value) in tables)
            _ = wire.Do($"writeq {address} {value}");
        _ = wire.Do("writeq 0xfed90020 0x100000");
        _ = wire.Do("writel 0xfed90018 0x40000000");
        _ = wire.Do("writel 0xfed90018 0x80000000");
        Assert.Equal(0xC000_0000ul, wire.Number("readl 0xfed9001c"));
        _ = wire.Do("write 0x200ff8 8 0x1122334455667788");
        Transfer(wire, 0x7FF8, 0x40000, 16, 1);
        Transfer(wire, 0x40000, 0x7000, 16, 3);
        Assert.Equal("0x11223344556677880000000000000000", wire.Do("read 0x200000 16"));

        // The second half came from a page that is not mapped: one fault, of this device, for a read.
        Assert.Equal(2ul, wire.Number("readl 0xfed90034") & 2);
        Assert.Equal(0x8000ul, wire.Number("readq 0xfed90220"));
        Assert.Equal(0xC000_0006_0000_0020ul, wire.Number("readq 0xfed90228"));
        Assert.Equal(0, run.End().ExitCode);
    }

    [Fact]
    public void The_test_device_checks_a_translation_on_one_read()
    {
        using QtestRun run = new("--translation", "off");
        QtestWire wire = run.Wire;
        Assert.Equal(0x0005_1B36ul, wire.Number(Select(wire, 0x3000)));
        _ = Select(wire, 0x3010);
        _ = wire.Do("outl 0xcfc 0xe0200000");
        _ = Select(wire, 0x3004);
        _ = wire.Do("outw 0xcfc 6");
        foreach ((ulong offset, ulong value) in ((ulong, ulong)[])[(0x04, 0x5000), (0x1C, 0x5000), (0x0C, 64), (0x14, 1)])
            _ = wire.Do($"writel {0xE020_0000 + offset} {value}");
        Assert.Equal(0xFFFF_FFFEul, wire.Number("readl 0xe0200010"));
        Assert.Equal(0ul, wire.Number("readl 0xe0200000"));
        Assert.Equal(0ul, wire.Number("readl 0xe0200010"));
        Assert.Equal("0x78563412", wire.Do("read 0x503c 4"));
    }

    [Theory]
    [InlineData("ehci", false)]
    [InlineData("ehci", true)]
    [InlineData("xhci", false)]
    [InlineData("xhci", true)]
    public void Our_own_drivers_read_a_disk_over_the_socket(string usb, bool isRemapped)
    {
        byte[] content = new byte[16 * 512];
        new Random(7).NextBytes(content);
        using TemporaryFile disk = new();
        File.WriteAllBytes(disk.Path, content);
        using QtestRun run = new("--translation", isRemapped ? "on" : "off", "--profile", "friendly", "--usb", usb, "--device", $"disk={disk.Path}");
        QtestCpu cpu = new(run.Wire);
        Assert.Equal(content, cpu.Loop.Run(() => ReadDisk(cpu, isRemapped)));
        Assert.Equal(0, run.End().ExitCode);
    }

    [Fact]
    public void Memory_in_a_file_is_seen_on_both_sides()
    {
        using TemporaryFile file = new();
        using QtestRun run = new("--ram-file", file.Path, "--ram-size", "4M");
        _ = run.Wire.Do("writeq 0x3ffff8 0x1122334455667788");
        using PhysicalMemory mapped = new();
        mapped.AddFile(new(0), 4 << 20, file.Path);
        Assert.True(mapped.TryRead(new PhysicalAddress(0x3F_FFF8), out ulong found));
        Assert.Equal(0x1122_3344_5566_7788ul, found);
        Assert.True(mapped.TryWrite(new PhysicalAddress(0x1000), 0xABul));
        Assert.Equal(0xABul, run.Wire.Number("readq 0x1000"));
    }

    [Fact]
    public void With_the_wall_clock_time_passes_by_itself()
    {
        using QtestRun run = new("--realtime");
        QtestWire wire = run.Wire;
        PlaceEdu(wire, 0x2000);
        _ = wire.Do("writel 0xe0000090 4");
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        _ = wire.Do("writel 0xe0000098 1");
        while (wire.Number("readl 0xe0000098") == 1)
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20));
        Assert.True(watch.Elapsed > TimeSpan.FromMilliseconds(90));
        Assert.Equal(0ul, wire.Number("readl 0xe0000098"));
    }

    private static async Task<byte[]> ReadDisk(QtestCpu cpu, bool isRemapped)
    {
        PciConfigurationPorts configuration = new(cpu);
        _ = PciResources.Assign(configuration, new(0xC000_0000), 64 << 20);
        FrameAllocator frames = new(new(1 << 20), 16 << 20);
        if (!isRemapped)
            return await DiskReader.ReadAll(PciDevice.Open(cpu, configuration, s_controller, new IdentityDmaSpace(cpu, frames), UsbVector));
        RemappingDriver driver = await RemappingDriver.Start(cpu, new(EduWorld.Unit), frames, new(FaultVector) { HostAddressWidth = 39 });
        RemappingDomain domain = driver.CreateDomain();
        Assert.Equal(DmaRefusal.None, await driver.Attach(s_controller, domain));
        RemappedDmaSpace dma = new(cpu, frames, domain, new(new(0x4000_0000), 1 << 30));
        byte[] content = await DiskReader.ReadAll(PciDevice.Open(cpu, configuration, s_controller, dma, UsbVector));
        Assert.Empty(driver.DrainFaults());
        return content;
    }

    // Selects a register of configuration space; the line that reads it.
    private static string Select(QtestWire wire, uint register)
    {
        _ = wire.Do($"outl 0xcf8 0x{0x8000_0000 | register:x}");
        return "inl 0xcfc";
    }

    private static void PlaceEdu(QtestWire wire, uint function)
    {
        _ = Select(wire, function + 0x10);
        _ = wire.Do("outl 0xcfc 0xe0000000");
        _ = Select(wire, function + 4);
        _ = wire.Do("outw 0xcfc 6");
    }

    private static void Transfer(QtestWire wire, ulong source, ulong destination, ulong count, ulong command)
    {
        _ = wire.Do($"writeq 0xe0000080 0x{source:x}");
        _ = wire.Do($"writeq 0xe0000088 0x{destination:x}");
        _ = wire.Do($"writeq 0xe0000090 {count}");
        _ = wire.Do($"writeq 0xe0000098 {command}");
        _ = wire.Do("clock_step");
        Assert.Equal(command & ~1ul, wire.Number("readq 0xe0000098"));
    }
}
