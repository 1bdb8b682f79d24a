using Dma.Machine;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EhciRegisterLaws
{
    private static readonly EhciRegister[] Table =
    [
        new(0x00, 0x0100_0020, 0, 0),
        new(0x20 + EhciOperationalOffsets.UsbStatus, 0x0000_1000, 0, 0x3F),
        new(0x20 + EhciOperationalOffsets.InterruptEnable, 0, 0x3F, 0),
        new(0x20 + EhciOperationalOffsets.FrameIndex, 0, 0x3FFF, 0),
        new(0x20 + EhciOperationalOffsets.Segment, 0, 0xFFFF_FFFF, 0),
        new(0x20 + EhciOperationalOffsets.PeriodicListBase, 0, 0xFFFF_F000, 0),
        new(0x20 + EhciOperationalOffsets.AsyncListAddress, 0, 0xFFFF_FFE0, 0),
    ];

    private sealed record EhciRegister(int Offset, uint Reset, uint Writable, uint ClearOnOne);

    [Fact]
    public void Registers_take_what_the_sheet_lets_them_take_whatever_the_width() => Property.Check(
        Generate.Program(
            from register in Gen.Elements(Table)
            from inside in Gen.Choose(0, 3)
            from width in Gen.Elements(1, 2, 4)
            from value in Gen.Choose(int.MinValue, int.MaxValue)
            select (register, inside, width, value),
            30),
        steps =>
        {
            using EhciBench bench = new();
            Dictionary<int, uint> model = Table.ToDictionary(register => register.Offset, register => register.Reset);
            foreach ((EhciRegister register, int inside, int width, int value) in steps)
            {
                int at = inside & -width;
                uint enabled = (uint)(RegisterFile.AllOnes(width) << (8 * at));
                uint written = ((uint)value << (8 * at)) & enabled;
                uint before = model[register.Offset];
                uint taken = register.Writable & enabled;
                model[register.Offset] = ((before & ~taken) | (written & taken)) & ~(register.ClearOnOne & written);
                bench.Controller.WriteBar(0, (ulong)(register.Offset + at), width, (uint)value);
                Assert.All(model, pair => Assert.Equal(pair.Value, (uint)bench.Controller.ReadBar(0, (ulong)pair.Key, 4)));
            }
        });

    [Fact]
    public void A_controller_reset_gives_every_register_its_reset_value() => Property.Check(
        Generate.Program(
            from offset in Gen.Choose(0, 0xFF)
            from value in Gen.Choose(int.MinValue, int.MaxValue)
            from delay in Gen.Choose(0, 300_000)
            select (offset, value, delay),
            30),
        steps =>
        {
            using EhciBench fresh = new();
            using EhciBench used = new();
            foreach ((int offset, int value, int delay) in steps)
            {
                used.Controller.WriteBar(0, (ulong)(offset & ~3), 4, (uint)value);
                used.Loop.RunFor((uint)delay);
            }

            used.UsbCommand = new() { Reset = true };
            for (ulong offset = 0; offset < 0x100; offset += 4)
                Assert.Equal(fresh.Controller.ReadBar(0, offset, 4), used.Controller.ReadBar(0, offset, 4));

            // It also forgot what it was about to do.
            used.Loop.RunFor(10_000_000);
            for (ulong offset = 0; offset < 0x100; offset += 4)
                Assert.Equal(fresh.Controller.ReadBar(0, offset, 4), used.Controller.ReadBar(0, offset, 4));
        });

    [Fact]
    public void Capabilities_say_what_the_options_say()
    {
        using EhciBench rich = new();
        using EhciBench poor = new(new() { Addresses64Bit = false, ProgrammableFrameList = false, AsyncPark = false, PortCount = 2, PortPowerControl = true });
        Assert.Equal((0x20, 0x0100), ((int)rich.Controller.ReadBar(0, 0, 1), (int)rich.Controller.ReadBar(0, 2, 2)));
        Assert.Equal(0x0000_0004u, (uint)rich.Controller.ReadBar(0, 4, 4));
        Assert.Equal(0x0000_6817u, (uint)rich.Controller.ReadBar(0, 8, 4));
        Assert.Equal(0x0000_0012u, (uint)poor.Controller.ReadBar(0, 4, 4));
        Assert.Equal(0x0000_6810u, (uint)poor.Controller.ReadBar(0, 8, 4));
        Assert.Equal(0x0008_0B00u, rich.UsbCommand.Raw.Value);
        Assert.Equal(0x0008_0000u, poor.UsbCommand.Raw.Value);
        Assert.Equal(0x0000_3000u, rich.Port().Raw.Value);
        Assert.Equal(0x0000_2000u, poor.Port().Raw.Value);

        poor.WriteRegister(EhciOperationalOffsets.Segment, uint.MaxValue);
        poor.WriteRegister(EhciOperationalOffsets.UsbCommand, 0x0000_0B0C);
        Assert.Equal((0u, 0u), (poor.ReadRegister(EhciOperationalOffsets.Segment), poor.UsbCommand.Raw.Value));
    }

    [Fact]
    public void Configuration_space_names_the_class_and_the_legacy_capability()
    {
        using EhciBench bench = new(new() { FirmwareOwned = true });
        ConfigurationSpace configuration = bench.Controller.Configuration;
        Assert.Equal(0x0C0320u, configuration.Read(0x08, 4) >> 8);
        Assert.Equal(0x20u, configuration.Read(0x60, 1));
        Assert.Equal(0x0001_0001u, configuration.Read(0x68, 4));

        // The system asks; the firmware lets go. Both were told that the command register was written before.
        configuration.Write(0x6B, 1, 1);
        Assert.Equal(0x0100_0001u, configuration.Read(0x68, 4));
        Assert.Equal(3u << 29, configuration.Read(0x6C, 4));
        configuration.Write(0x6C, 4, 3u << 29);
        Assert.Equal(0u, configuration.Read(0x6C, 4));
    }

    [Fact]
    public void Firmware_hears_by_its_own_interrupt_of_causes_and_of_who_owns_the_controller()
    {
        using EhciBench bench = new(new() { FirmwareOwned = true });
        ConfigurationSpace configuration = bench.Controller.Configuration;
        configuration.Write(0x6C, 4, 0xE000_0000);
        Assert.False(bench.Controller.WantsSystemManagementInterrupt);

        // A device comes: PCD is cause 2. It shows, and interrupts only where it is enabled; the system's acknowledgement ends it.
        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        bench.Controller.Usb.Ports[0].Plug(new ScriptedDevice());
        Assert.Equal(1u << 18, configuration.Read(0x6C, 4));
        Assert.False(bench.Controller.WantsSystemManagementInterrupt);
        configuration.Write(0x6C, 1, 0b100);
        Assert.True(bench.Controller.WantsSystemManagementInterrupt);
        bench.WriteRegister(EhciOperationalOffsets.UsbStatus, 0b100);
        Assert.False(bench.Controller.WantsSystemManagementInterrupt);

        // Each of the three events of configuration space, alone.
        foreach ((int enable, Action happens) in ((int, Action)[])
            [(13, () => configuration.Write(0x6B, 1, 1)), (14, () => bench.Master(false)), (15, () => configuration.Write(0x10, 4, 0xE000_0000))])
        {
            configuration.Write(0x6C, 4, 0xE000_0000 | (1u << enable));
            Assert.False(bench.Controller.WantsSystemManagementInterrupt);
            happens();
            Assert.Equal((1u << (enable + 16)) | (1u << enable), configuration.Read(0x6C, 4));
            Assert.True(bench.Controller.WantsSystemManagementInterrupt);
        }
    }

    [Fact]
    public void A_light_reset_keeps_the_ports_and_is_there_only_where_it_was_built_in()
    {
        foreach (bool hasLightReset in (bool[])[true, false])
        {
            using EhciBench bench = new(new() { LightReset = hasLightReset });
            bench.Attach(new ScriptedDevice());
            bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, 0x5000);
            bench.UsbCommand = new() { Run = true, AsyncEnable = false, InterruptThreshold = 1 };
            bench.UsbCommand = bench.UsbCommand with { LightReset = true };
            Assert.Equal(hasLightReset ? 0u : 0x5000u, bench.ReadRegister(EhciOperationalOffsets.PeriodicListBase));
            Assert.Equal(hasLightReset, bench.Status.Halted);
            Assert.False(bench.UsbCommand.LightReset);
            Assert.True(bench.Port() is { Enabled: true, Connected: true, Owner: false });
            Assert.Equal(1u, bench.ReadRegister(EhciOperationalOffsets.ConfigureFlag));
            Assert.NotNull(bench.Controller.Usb.Find(0));
        }
    }

    [Fact]
    public void The_frame_index_is_the_time_and_stands_still_while_halted()
    {
        using EhciBench bench = new();
        bench.WriteRegister(EhciOperationalOffsets.FrameIndex, 0x3FF0);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(0x3FF0u, bench.ReadRegister(EhciOperationalOffsets.FrameIndex));
        bench.UsbCommand = bench.UsbCommand with { Run = true };
        bench.WriteRegister(EhciOperationalOffsets.FrameIndex, 5);
        bench.Loop.RunFor(125_000 * 15);
        Assert.Equal(0x3FFFu, bench.ReadRegister(EhciOperationalOffsets.FrameIndex));
        Assert.False(bench.Status.FrameListRollover);
        bench.Loop.RunFor(125_000);
        Assert.Equal(0u, bench.ReadRegister(EhciOperationalOffsets.FrameIndex));
        Assert.True(bench.Status.FrameListRollover);

        // Nothing was planned for all that: an idle controller costs no events.
        ulong events = bench.Loop.EventsRun;
        bench.Loop.RunFor(10_000_000_000);
        Assert.Equal(events, bench.Loop.EventsRun);
        Assert.Equal(80_000u % 0x4000, bench.ReadRegister(EhciOperationalOffsets.FrameIndex));
    }

    [Fact]
    public void Stopping_halts_within_sixteen_microframes_and_keeps_the_frame_index()
    {
        using EhciBench bench = new();
        Assert.True(bench.Status.Halted);
        bench.UsbCommand = bench.UsbCommand with { Run = true, PeriodicEnable = true, AsyncEnable = true };
        Assert.False(bench.Status.Halted);
        bench.Loop.RunFor(2_000_000);
        bench.UsbCommand = bench.UsbCommand with { Run = false };
        bench.Loop.RunFor(125_000 * 16);
        Assert.True(bench.Status is { Halted: true, PeriodicActive: false, AsyncActive: false });
        Assert.Equal(16u, bench.ReadRegister(EhciOperationalOffsets.FrameIndex));
    }
}
