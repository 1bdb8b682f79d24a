using Dma.Hal;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class PciDeviceTests
{
    private const ulong WindowStart = 0xE000_0000;
    private const ulong WindowLength = 0x1000_0000;
    private const byte Vector = 65;
    private const ulong EcamStart = 0xB000_0000;

    private static readonly SourceId s_place = new(0, 4, 0);

    public enum MessageKind
    {
        Msi,
        Msi32,
        Msix,
    }

    [Theory]
    [InlineData(MessageKind.Msi, false)]
    [InlineData(MessageKind.Msi32, false)]
    [InlineData(MessageKind.Msix, false)]
    [InlineData(MessageKind.Msi, true)]
    public void A_driver_gets_windows_and_an_interrupt(MessageKind messages, bool mapped)
    {
        using BareMetal machine = new();
        TestFunction function = new(messages);
        machine.Pci.Add(function, 4);
        machine.Pci.MapEcam(new(EcamStart), 0, 15);
        machine.Loop.Run(async () =>
        {
            IPciConfiguration configuration = mapped ? new PciMappedConfiguration(machine.Cpu, new(EcamStart), 0, 15) : new PciConfigurationPorts(machine.Cpu);
            PciResources.Assign(configuration, new(WindowStart), WindowLength);
            PciDevice device = PciDevice.Open(machine.Cpu, configuration, s_place, new IdentityDmaSpace(machine.Cpu, machine.Frames), Vector);

            Assert.Equal([(0, 0x1000ul, false), (2, 0x10_0000ul, true)], device.Bars.Select(bar => (bar.Index, bar.Length, bar.Is64Bit)));
            Assert.All(device.Bars, bar => Assert.Equal(0ul, bar.Address.Value % bar.Length));
            IRegisterWindow window = device.OpenBar(2);
            window.Write32(0x80, 0xFEED);
            Assert.Equal(0xFEEDu, window.Read32(0x80));
            Assert.Equal(0xFEEDu, function.Registers[0x80]);
            Assert.Equal(uint.MaxValue, window.Read32(0x10_0000 - 2));
            Assert.Equal(uint.MaxValue, window.Read32(-4));
            foreach (int bar in (int[])[1, 3, 5, 6, -1])
                Assert.Throws<DeviceException>(() => device.OpenBar(bar));

            Assert.False(await device.Interrupt.Wait(1000));
            function.Raise();
            Assert.True(await device.Interrupt.Wait(1000));
            Assert.False(await device.Interrupt.Wait(1000));

            device.Close();
            function.Raise();
            Assert.False(await device.Interrupt.Wait(1000));
            Assert.Equal(uint.MaxValue, window.Read32(0x80));
        });
    }

    [Fact]
    public void Reading_a_register_takes_time_and_writing_one_does_not()
    {
        using BareMetal machine = new();
        machine.Pci.Add(new TestFunction(MessageKind.Msi), 4);
        PciDevice device = Open(machine);
        IRegisterWindow window = device.OpenBar(0);
        ulong before = machine.Cpu.Processor.Meter[Cost.RegisterAccess];
        window.Write64(0, 1);
        Assert.Equal(before, machine.Cpu.Processor.Meter[Cost.RegisterAccess]);
        _ = window.Read64(0);
        Assert.Equal(before + 1, machine.Cpu.Processor.Meter[Cost.RegisterAccess]);
    }

    [Fact]
    public void A_reset_forgets_what_the_device_did_and_keeps_where_it_is()
    {
        using BareMetal machine = new();
        TestFunction function = new(MessageKind.Msix);
        machine.Pci.Add(function, 4);
        PciDevice device = Open(machine);
        Assert.True(device.CanReset);
        IReadOnlyList<PciBarInfo> bars = device.Bars;
        machine.Loop.Run(async () =>
        {
            device.OpenBar(0).Write32(0x40, 7);
            ulong before = machine.Loop.NowNs;
            await device.Reset();
            Assert.InRange(machine.Loop.NowNs - before, 100_000_000ul, 101_000_000ul);
            Assert.Equal(1, function.Resets);
            Assert.Equal(0u, device.OpenBar(0).Read32(0x40));
            Assert.Equal(bars, PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), s_place, device.Dma, Vector).Bars);
            function.Raise();
            Assert.True(await device.Interrupt.Wait(1000));
        });
    }

    [Fact]
    public void A_device_that_cannot_be_reset_or_does_not_come_back_is_refused()
    {
        using BareMetal machine = new();
        machine.Pci.Add(new TestFunction(MessageKind.Msi, canReset: false), 4);
        PciDevice device = Open(machine);
        Assert.False(device.CanReset);
        machine.Loop.Run(async () => await Assert.ThrowsAsync<DeviceException>(async () => await device.Reset()));

        TestFunction gone = new(MessageKind.Msi);
        machine.Pci.Add(gone, 5);
        PciConfigurationPorts ports = new(machine.Cpu);
        Vanishing vanishing = new(ports);
        PciDevice lost = PciDevice.Open(machine.Cpu, vanishing, new(0, 5, 0), device.Dma, Vector);
        vanishing.IsGone = true;
        machine.Loop.Run(async () =>
        {
            ulong before = machine.Loop.NowNs;
            DeviceException refusal = await Assert.ThrowsAsync<DeviceException>(async () => await lost.Reset());
            Assert.Contains("did not come back", refusal.Message, StringComparison.Ordinal);
            Assert.InRange(machine.Loop.NowNs - before, 1_000_000_000ul, 1_200_000_000ul);
        });
    }

    [Fact]
    public void Functions_behind_bridges_are_found_and_can_be_reached()
    {
        using BareMetal machine = new();
        PciBridge outer = new(0x8086, 0x1234);
        PciBridge inner = new(0x8086, 0x1235);
        PciBridge empty = new(0x8086, 0x1236);
        TestFunction deep = new(MessageKind.Msi);
        TestFunction second = new(MessageKind.Msix);
        machine.Pci.Add(new TestFunction(MessageKind.Msi), 2);
        machine.Pci.Add(outer, 3);
        machine.Pci.Add(empty, 4);
        machine.Pci.Add(new TestFunction(MessageKind.Msi), 31);
        outer.Secondary.Add(inner, 0);
        inner.Secondary.Add(deep, 0);
        inner.Secondary.Add(second, 0, 5);
        PciConfigurationPorts ports = new(machine.Cpu);

        // Before the bridges have numbers only bus 0 is seen.
        Assert.Equal(4, PciScan.Enumerate(ports).Count);
        PciResources.Assign(ports, new(WindowStart), WindowLength);
        Assert.Equal(
            ["00:02.0", "00:03.0", "00:04.0", "00:1f.0", "01:00.0", "02:00.0", "02:00.5"],
            PciScan.Enumerate(ports).Select(function => function.Location.ToString()));
        Assert.Equal(0x0C_03_20u, PciScan.Enumerate(ports)[0].ClassCode);

        IdentityDmaSpace dma = new(machine.Cpu, machine.Frames);
        foreach ((SourceId location, TestFunction function) in ((SourceId, TestFunction)[])[(new(2, 0, 0), deep), (new(2, 0, 5), second)])
        {
            PciDevice device = PciDevice.Open(machine.Cpu, ports, location, dma, Vector);
            device.OpenBar(2).Write32(0x40, 0x1111);
            Assert.Equal(0x1111u, function.Registers[0x40]);
            function.Raise();
            Assert.True(machine.Loop.Run(async () => await device.Interrupt.Wait(1000)));
        }

        Assert.Throws<DeviceException>(() => PciDevice.Open(machine.Cpu, ports, new(0, 3, 0), dma, Vector));
        Assert.Throws<DeviceException>(() => PciDevice.Open(machine.Cpu, ports, new(0, 9, 0), dma, Vector));

        // A bridge that leads to where another one leads already.
        ports.Open(new(0, 4, 0)).Write8(PciOffset.SecondaryBus, 2);
        Assert.Contains("leads to bus 02", Assert.Throws<DeviceException>(() => PciScan.Enumerate(ports)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Addresses_that_run_out_are_refused()
    {
        using BareMetal machine = new();
        machine.Pci.Add(new TestFunction(MessageKind.Msi), 4);
        PciConfigurationPorts ports = new(machine.Cpu);
        Assert.Throws<DeviceException>(() => PciResources.Assign(ports, new(WindowStart), 0x10_0000));
        Assert.Equal(0xE020_0000ul, PciResources.Assign(ports, new(WindowStart), 0x20_0000).Value);
        Assert.Throws<ArgumentOutOfRangeException>(() => PciResources.Assign(ports, new(0xF000_0000), 0x1000_0001));
    }

    [Fact]
    public void A_window_without_an_address_or_an_interrupt_without_messages_is_refused()
    {
        using BareMetal machine = new();
        machine.Pci.Add(new TestFunction(MessageKind.Msi), 4);
        PciDevice device = PciDevice.Open(
            machine.Cpu, new PciConfigurationPorts(machine.Cpu), s_place, new IdentityDmaSpace(machine.Cpu, machine.Frames), Vector);
        Assert.Contains("no address", Assert.Throws<DeviceException>(() => device.OpenBar(0)).Message, StringComparison.Ordinal);

        machine.Pci.Add(new TestFunction(null), 5);
        Assert.Contains(
            "neither MSI nor MSI-X",
            Assert.Throws<DeviceException>(() => PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), new(0, 5, 0), device.Dma, Vector)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x40, 0x40, "a loop")]
    [InlineData(0x40, 0x10, "into the header")]
    [InlineData(0xFC, 0x00, "beyond")]
    [InlineData(0xF0, 0x00, "beyond")]
    public void A_capability_list_that_is_no_list_is_refused(byte first, byte next, string reason)
    {
        using BareMetal machine = new();
        byte[] bytes = new byte[256];
        bytes[PciOffset.Status] = 0x10;
        bytes[PciOffset.CapabilityPointer] = first;
        bytes[first] = first < 0x80 ? (byte)PciCapabilityId.VendorSpecific : (byte)PciCapabilityId.Msi;
        bytes[first + 1] = next;

        // As long as the capability can be: 64-bit addresses and masks.
        bytes[first + 2] = 0x80;
        bytes[first + 3] = 0x01;
        Assert.Contains(reason, RefusalOf(machine, new(bytes, new byte[256])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0x0000_0006u, 0u, "reserved type")]
    [InlineData(5, 0xFFFF_F004u, 0u, "no register for the upper half")]
    [InlineData(0, 0xFF0F_F000u, 0u, "when it is sized")]
    [InlineData(0, 0x0000_0008u, 0u, "when it is sized")]
    [InlineData(2, 0x0000_0004u, 0u, "when it is sized")]
    [InlineData(2, 0xFFFF_F004u, 0x0FFF_FFFFu, "when it is sized")]
    public void A_base_address_register_that_answers_as_none_can_is_refused(int index, uint answer, uint upper, string reason)
    {
        using BareMetal machine = new();
        byte[] bytes = new byte[256];
        byte[] writable = new byte[256];
        int offset = PciOffset.Bar0 + (4 * index);
        BitConverter.TryWriteBytes(bytes.AsSpan(offset), answer & 0xF);
        BitConverter.TryWriteBytes(writable.AsSpan(offset), answer & ~0xFu);
        if (index < 5)
            BitConverter.TryWriteBytes(writable.AsSpan(offset + 4), upper);
        Assert.Contains(reason, RefusalOf(machine, new(bytes, writable)), StringComparison.Ordinal);
    }

    [Fact]
    public void No_configuration_space_hangs_or_breaks_the_software() => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue)
        select seed,
        seed =>
        {
            using BareMetal machine = new();
            Random random = new(seed);
            byte[] bytes = new byte[256];
            byte[] writable = new byte[256];
            random.NextBytes(bytes);
            random.NextBytes(writable);

            // Likely enough to be a device to get to what comes next.
            bytes[PciOffset.HeaderType] = 0;
            if (random.Next(2) == 0)
                Array.Clear(writable, PciOffset.Bar0, 24);
            if (random.Next(2) == 0)
                Array.Clear(bytes, PciOffset.Bar0, 24);
            for (int capability = 0x40; capability < 0xFC; capability += 4)
            {
                bytes[capability] = (byte)random.Next(0x12);
                bytes[capability + 1] = random.Next(8) == 0 ? (byte)0 : (byte)(capability + 4);
            }

            FakeConfiguration configuration = new(bytes, writable);
            try
            {
                PciDevice device = PciDevice.Open(machine.Cpu, configuration, s_place, new IdentityDmaSpace(machine.Cpu, machine.Frames), Vector);
                for (int bar = 0; bar < 6; bar++)
                    _ = Record.Exception(() => device.OpenBar(bar)) as DeviceException;
                if (device.CanReset)
                    machine.Loop.Run(async () => await device.Reset(), limitNs: 2_000_000_000);
                device.Close();
            }
            catch (DeviceException)
            {
                // Refused with a reason is as good as opened.
            }

            _ = Record.Exception(() => PciScan.Enumerate(configuration)) as DeviceException;
            Assert.InRange(configuration.Accesses, 1, 100_000);
        },
        count: 300);

    [Theory]
    [InlineData(2, 3)]
    [InlineData(2, 4096)]
    [InlineData(4, -4)]
    [InlineData(8, 0)]
    public void Configuration_accesses_that_no_bus_carries_are_the_callers_mistake(int width, int offset)
    {
        using BareMetal machine = new();
        foreach (IPciConfiguration way in (IPciConfiguration[])[new PciConfigurationPorts(machine.Cpu), new PciMappedConfiguration(machine.Cpu, new(EcamStart), 0, 1)])
        {
            IConfigurationAccess space = way.Open(s_place);
            Assert.Throws<ArgumentOutOfRangeException>(() => space.Read(offset, width));
            Assert.Throws<ArgumentOutOfRangeException>(() => space.Write(offset, width, 0));
        }
    }

    private static PciDevice Open(BareMetal machine)
    {
        PciConfigurationPorts ports = new(machine.Cpu);
        PciResources.Assign(ports, new(WindowStart), WindowLength);
        return PciDevice.Open(machine.Cpu, ports, s_place, new IdentityDmaSpace(machine.Cpu, machine.Frames), Vector);
    }

    private static string RefusalOf(BareMetal machine, FakeConfiguration configuration) =>
        Assert.Throws<DeviceException>(() => PciDevice.Open(machine.Cpu, configuration, s_place, new IdentityDmaSpace(machine.Cpu, machine.Frames), Vector)).Message;

    private sealed class TestFunction : PciFunction
    {
        public TestFunction(MessageKind? messages, bool canReset = true)
            : base(new(0x8086, 0x0001, 0x0C_03_20))
        {
            AddMemoryBar(0, 0x1000);
            AddMemoryBar(2, 0x10_0000, is64Bit: true, prefetchable: true);
            if (messages is MessageKind.Msix)
                AddCapability(new MsixCapability(4, 0, 0x800, 0xC00));
            else if (messages is { } kind)
                AddCapability(new MsiCapability(4, is64Bit: kind == MessageKind.Msi, perVectorMasking: kind == MessageKind.Msi));
            AddCapability(new PciExpressCapability(PciExpressType.Endpoint, canReset));
        }

        public Dictionary<ulong, uint> Registers { get; } = [];

        public int Resets { get; private set; }

        public void Raise() => RaiseInterrupt();

        public override ulong ReadBar(int bar, ulong offset, int width) => Registers.GetValueOrDefault(offset);

        public override void WriteBar(int bar, ulong offset, int width, ulong value) => Registers[offset] = (uint)value;

        protected override void OnReset()
        {
            Registers.Clear();
            Resets++;
        }
    }

    /// <summary>Every function is the same 256 bytes, of which software can write some bits.</summary>
    private sealed class FakeConfiguration(byte[] bytes, byte[] writable) : IPciConfiguration, IConfigurationAccess
    {
        public int Accesses { get; private set; }

        public IConfigurationAccess Open(SourceId function) => this;

        public uint Read(int offset, int width)
        {
            Accesses++;
            uint value = 0;
            for (int at = width - 1; at >= 0; at--)
                value = (value << 8) | bytes[offset + at];
            return value;
        }

        public void Write(int offset, int width, uint value)
        {
            Accesses++;
            for (int at = 0; at < width; at++)
                bytes[offset + at] = (byte)((bytes[offset + at] & ~writable[offset + at]) | ((byte)(value >> (8 * at)) & writable[offset + at]));
        }
    }

    /// <summary>Functions that nobody finds any more.</summary>
    private sealed class Vanishing(IPciConfiguration configuration) : IPciConfiguration
    {
        public bool IsGone { get; set; }

        public IConfigurationAccess Open(SourceId function) => new Function(this, configuration.Open(function));

        private sealed class Function(Vanishing owner, IConfigurationAccess function) : IConfigurationAccess
        {
            private bool _wasReset;

            public uint Read(int offset, int width) => _wasReset ? (uint)RegisterFile.AllOnes(width) : function.Read(offset, width);

            public void Write(int offset, int width, uint value)
            {
                // The reset is the first thing written beyond the header.
                _wasReset |= owner.IsGone && offset >= PciOffset.AfterHeader;
                function.Write(offset, width, value);
            }
        }
    }
}
