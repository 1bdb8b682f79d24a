using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Configuration cycles, windows, requests and interrupts through bridges.</summary>
public sealed class PciTopologyLaws : IDisposable
{
    private static readonly SourceId RootPort = new(0, 1, 0);
    private readonly PciWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void Ports_and_window_show_the_same_space_in_every_width() =>
        Property.Check(
            from offset in Gen.Choose(0, 255)
            from width in Gen.Elements(1, 2, 4)
            from value in Generate.Any64
            from byPorts in Gen.Elements(true, false)
            select (Offset: offset & -width, width, value: (uint)value, byPorts),
            access =>
            {
                using PciWorld world = new();
                _ = world.Add(new ProbeFunction().WithBar(0, 0x1000).With(new MsiCapability(32)), 2, 0);
                SourceId target = new(0, 2, 0);
                if (access.byPorts)
                {
                    world.Bus.Out(0xCF8, 4, 0x8000_0000 | ((uint)target.Value << 8) | ((uint)access.Offset & 0xFC));
                    world.Bus.Out((ushort)(0xCFC + (access.Offset & 3)), access.width, access.value);
                }
                else
                {
                    world.StoreEcam(target, access.Offset, access.width, access.value);
                }

                for (int at = 0; at < 256; at += 4)
                {
                    uint whole = world.Read(target, at, 4);
                    Assert.Equal(whole, world.ReadByPorts(target, at, 4));
                    Assert.Equal(whole, world.LoadEcam(target, at, 4));
                    Assert.Equal(whole & 0xFFFF, world.ReadByPorts(target, at, 2));
                    Assert.Equal(whole >> 24, world.ReadByPorts(target, at + 3, 1));
                    Assert.Equal(whole >> 16, world.LoadEcam(target, at + 2, 2));
                }

                Assert.Equal(world.Read(target, 8, 4) | ((ulong)world.Read(target, 12, 4) << 32), world.LoadEcam(target, 8, 8));
            });

    [Fact]
    public void The_address_port_takes_doublewords_alone()
    {
        _ = _world.Add(new ProbeFunction(), 2);
        _world.Bus.Out(0xCF8, 4, 0xFFFF_FFFF);
        Assert.Equal(0x80FF_FFFCu, _world.Bus.In(0xCF8, 4));
        _world.Bus.Out(0xCF8, 2, 0);
        _world.Bus.Out(0xCFB, 1, 0);
        Assert.Equal(0x80FF_FFFCu, _world.Bus.In(0xCF8, 4));
        Assert.Equal(0xFFu, _world.Bus.In(0xCFB, 1));

        // Without the enable bit, and across the end of the data port, nobody answers.
        _world.Bus.Out(0xCF8, 4, 0x0000_1000);
        Assert.Equal(uint.MaxValue, _world.Bus.In(0xCFC, 4));
        _world.Bus.Out(0xCF8, 4, 0x8000_1000);
        Assert.Equal(0x1234_8086u, _world.Bus.In(0xCFC, 4));
        Assert.Equal(uint.MaxValue, _world.Bus.In(0xCFE, 4));
        _world.Host.Reset();
        Assert.Equal(0u, _world.Bus.In(0xCF8, 4));
    }

    [Fact]
    public void An_empty_place_reads_as_ones_and_takes_writes_without_harm()
    {
        foreach (SourceId target in (ReadOnlySpan<SourceId>)[new(0, 0, 0), new(0, 31, 7), new(1, 0, 0), new(255, 31, 7)])
        {
            Assert.Equal(0xFFFFu, _world.Read(target, 0, 2));
            _world.Write(target, PciOffset.Command, 2, 0xFFFF);
            Assert.Equal(ulong.MaxValue, _world.LoadEcam(target, 0, 8));
        }
    }

    [Fact]
    public void Cycles_go_down_by_the_numbers_in_the_bridges()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), RootPort.Device);
        PciBridge upstream = new(0x8086, 2, PciExpressType.SwitchUpstreamPort);
        PciBridge downstream = new(0x8086, 3, PciExpressType.SwitchDownstreamPort);
        ProbeFunction leaf = new(0x0007);
        port.Secondary.Add(upstream, 0);
        upstream.Secondary.Add(downstream, 5);
        downstream.Secondary.Add(leaf, 0, 3);

        // Nothing answers below before software numbered the buses.
        Assert.Equal(0xFFFFu, _world.Read(new(1, 0, 0), 0, 2));
        _world.Program(RootPort, 4, 9, 0xE000_0000, 0xE00F_FFFF);
        Assert.Equal(2u, _world.Read(new(4, 0, 0), PciOffset.DeviceId, 2));
        _world.Program(new(4, 0, 0), 5, 8, 0xE000_0000, 0xE00F_FFFF);
        Assert.Equal(3u, _world.Read(new(5, 5, 0), PciOffset.DeviceId, 2));
        _world.Program(new(5, 5, 0), 8, 8, 0xE000_0000, 0xE00F_FFFF);
        Assert.Equal(7u, _world.Read(new(8, 0, 3), PciOffset.DeviceId, 2));
        Assert.Equal(new SourceId(8, 0, 3), leaf.Source);
        Assert.Same(leaf, _world.Host.Find(new(8, 0, 3)));

        // A number that no bridge forwards, and one that a bridge forwards to nobody.
        Assert.Equal(0xFFFFu, _world.Read(new(7, 0, 3), 0, 2));
        Assert.Equal(0xFFFFu, _world.Read(new(9, 0, 3), 0, 2));
        _world.Write(new(4, 0, 0), PciOffset.SubordinateBus, 1, 7);
        Assert.Equal(0xFFFFu, _world.Read(new(8, 0, 3), 0, 2));
    }

    [Fact]
    public void A_renumbered_bus_gives_its_functions_a_new_source_id_and_port()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), RootPort.Device);
        ProbeFunction leaf = new();
        port.Secondary.Add(leaf, 0);
        _world.Program(RootPort, 4, 4, 0, 0);
        _world.Command(new(4, 0, 0), PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Success, leaf.Port.Write(new(0x1000), [1]));
        _world.Write(RootPort, PciOffset.SecondaryBus, 2, 0x0606);
        Assert.Equal(new SourceId(6, 0, 0), leaf.Port.Source);
        Assert.Equal(DmaStatus.Success, leaf.Port.Write(new(0x1000), [1]));
        Assert.Equal(DmaStatus.Success, leaf.Port.Write(new(0x1000), [1]));
        Assert.Equal([new SourceId(4, 0, 0), new SourceId(6, 0, 0)], _world.Opened);
    }

    [Fact]
    public void A_bridge_forwards_requests_only_while_it_is_bus_master_and_notes_those_that_it_does_not()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), RootPort.Device);
        ProbeFunction leaf = new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint));
        port.Secondary.Add(leaf, 0);
        _world.Program(RootPort, 4, 4, 0, 0);
        _world.Command(new(4, 0, 0), PciCommand.BusMaster);
        _world.Command(RootPort, PciCommand.None);
        const int DeviceStatus = 0x4A;
        Assert.Equal(DmaStatus.Unclaimed, leaf.Port.Write(new(0x1000), [1]));
        Assert.Equal(0b1010u, _world.Read(RootPort, DeviceStatus, 2));
        Assert.Equal(DmaStatus.Unclaimed, leaf.Port.Read(new(0x1000), new byte[1]));
        Assert.Equal(0b1011u, _world.Read(RootPort, DeviceStatus, 2));
        Assert.Equal((uint)PciStatus.ReceivedMasterAbort, _world.Read(new(4, 0, 0), PciOffset.Status, 2) & (uint)PciStatus.Errors);
        _world.Write(RootPort, DeviceStatus, 2, 0b1000);
        Assert.Equal(0b0011u, _world.Read(RootPort, DeviceStatus, 2));
        _world.Command(RootPort, PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Success, leaf.Port.Write(new(0x1000), [1]));

        // What the root refuses is noted in the root port as well.
        _world.Write(RootPort, DeviceStatus, 2, 0xF);
        Assert.Equal(DmaStatus.Unclaimed, leaf.Port.Read(new(1ul << 40), new byte[1]));
        Assert.Equal(0b1001u, _world.Read(RootPort, DeviceStatus, 2));
    }

    [Theory]
    [InlineData(PciExpressType.RootPort, 4, 7, 2)]
    [InlineData(PciExpressType.SwitchDownstreamPort, 4, 7, 2)]
    [InlineData(PciExpressType.ExpressToConventional, 4, 0, 0)]
    [InlineData(null, 0, 1, 0)]
    public void A_bridge_to_a_conventional_bus_makes_requests_its_own(PciExpressType? type, byte bus, int device, int number)
    {
        PciBridge bridge = _world.Add(new PciBridge(0x8086, 1, type), RootPort.Device);
        ProbeFunction leaf = new();
        bridge.Secondary.Add(leaf, 7, 2);
        _world.Program(RootPort, 4, 4, 0, 0);
        _world.Command(new(4, 7, 2), PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Success, leaf.Port.Write(new(0x1000), [1]));
        Assert.Equal(new SourceId(4, 7, 2), leaf.Source);
        Assert.Equal([new SourceId(bus, device, number)], _world.Opened);
    }

    [Fact]
    public void An_access_reaches_a_bar_only_through_the_windows_of_all_bridges_above()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), RootPort.Device);
        PciBridge below = new(0x8086, 2, PciExpressType.SwitchUpstreamPort);
        ProbeFunction leaf = new ProbeFunction().WithBar(0, 0x40_0000).WithBar(2, 1 << 20, is64Bit: true, prefetchable: true);
        port.Secondary.Add(below, 0);
        below.Secondary.Add(leaf, 0);
        _world.Program(RootPort, 1, 2, 0xE000_0000, 0xE02F_FFFF);
        _world.Program(new(1, 0, 0), 2, 2, 0xE010_0000, 0xE04F_FFFF);
        SourceId place = new(2, 0, 0);
        _world.Write(place, 0x10, 4, 0xE000_0000);
        _world.Write(place, 0x1C, 4, 0x8);
        _world.Command(place, PciCommand.MemorySpace);
        leaf.WriteBar(0, 0x10_0000, 4, 1);
        leaf.WriteBar(0, 0x2F_FFFC, 4, 2);

        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE00F_FFFC), 4));
        Assert.Equal(1ul, _world.Bus.Load(new(0xE010_0000), 4));
        Assert.Equal(2ul, _world.Bus.Load(new(0xE02F_FFFC), 4));
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE030_0000), 4));

        // The second BAR lies above 4 GiB, where only prefetchable windows reach.
        Assert.Equal(byte.MaxValue, _world.Bus.Load(new(0x8_0000_0000), 1));
        foreach (SourceId bridge in (ReadOnlySpan<SourceId>)[RootPort, new(1, 0, 0)])
        {
            Assert.Equal(byte.MaxValue, _world.Bus.Load(new(0x8_0000_0000), 1));
            _world.Write(bridge, PciOffset.PrefetchableBaseUpper, 4, 0x8);
            _world.Write(bridge, PciOffset.PrefetchableLimitUpper, 4, 0x8);
            _world.Write(bridge, PciOffset.PrefetchableBase, 4, 0x0010_0000);
        }

        Assert.Equal(0ul, _world.Bus.Load(new(0x8_0000_0000), 1));
        Assert.Equal(1ul, _world.Bus.Load(new(0xE010_0000), 4));
        _world.Command(RootPort, PciCommand.BusMaster);
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE010_0000), 4));
    }

    [Fact]
    public void A_secondary_bus_reset_resets_what_is_below_and_holds_it()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), RootPort.Device);
        PciBridge below = new(0x8086, 2, PciExpressType.SwitchUpstreamPort);
        ProbeFunction near = new ProbeFunction().WithBar(0, 0x1000).WithPin(1);
        ProbeFunction far = new();
        port.Secondary.Add(below, 0);
        port.Secondary.Add(near, 1);
        below.Secondary.Add(far, 0);
        _world.Program(RootPort, 1, 2, 0xE000_0000, 0xE00F_FFFF);
        _world.Program(new(1, 0, 0), 2, 2, 0xE000_0000, 0xE00F_FFFF);
        _world.Write(new(1, 1, 0), PciOffset.Bar0, 4, 0xE000_0000);
        _world.Command(new(1, 1, 0), PciCommand.MemorySpace | PciCommand.BusMaster);
        Assert.Equal(0ul, _world.Bus.Load(new(0xE000_0000), 4));

        _world.Write(RootPort, PciOffset.BridgeControl, 2, 1 << 6);
        Assert.Equal((1, 1), (near.Resets, far.Resets));
        Assert.Equal(0xFFFFu, _world.Read(new(1, 1, 0), 0, 2));
        near.Want(true);
        Assert.DoesNotContain(true, _world.Lines);
        Assert.Equal(DmaStatus.NotMaster, near.Port.Write(new(0), [1]));

        _world.Write(RootPort, PciOffset.BridgeControl, 2, 0);
        Assert.Equal((1, 1), (near.Resets, far.Resets));
        Assert.Contains(true, _world.Lines);
        Assert.Equal(0x1234u, _world.Read(new(1, 1, 0), PciOffset.DeviceId, 2));
        Assert.Equal(0u, _world.Read(new(1, 1, 0), PciOffset.Bar0, 4));
        Assert.Equal(0xFFFFu, _world.Read(new(2, 0, 0), 0, 2));
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE000_0000), 4));
    }

    [Fact]
    public void Each_bridge_turns_the_interrupt_pins_by_the_device_number()
    {
        PciBridge port = _world.Add(new PciBridge(0x8086, 1), 6);
        PciBridge below = new(0x8086, 2, PciExpressType.SwitchUpstreamPort);
        ProbeFunction leaf = new ProbeFunction().WithPin(2);
        below.Secondary.Add(leaf, 9);
        leaf.Want(true);
        port.Secondary.Add(below, 3);

        // INTB of device 9 is pin 2 of device 3, that is 1 of device 6, that is line 3.
        Assert.Equal([false, false, false, true], _world.Lines);
        _world.Host.Root.Remove(port);
        Assert.Equal([false, false, false, false], _world.Lines);
    }

    [Fact]
    public void A_thousand_functions_answer_each_at_its_own_address()
    {
        List<ProbeFunction> functions = [];
        for (int bus = 0; bus < 4; bus++)
        {
            SourceId bridge = new(0, bus, 0);
            PciBridge port = _world.Add(new PciBridge(0x8086, 1), bus);
            _world.Program(bridge, (byte)(bus + 1), (byte)(bus + 1), 0xC000_0000 + ((uint)bus << 24), 0xC0FF_FFFF + ((uint)bus << 24));
            for (int place = 0; place < 250; place++)
            {
                ProbeFunction function = new ProbeFunction().WithBar(0, 0x1000);
                port.Secondary.Add(function, place >> 3, place & 7);
                _world.StoreEcam(function.Source, PciOffset.Bar0, 4, 0xC000_0000 + ((uint)bus << 24) + ((uint)place << 12));
                _world.StoreEcam(function.Source, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
                function.WriteBar(0, 0, 4, function.Source.Value);
                functions.Add(function);
            }
        }

        for (int at = 0; at < functions.Count; at++)
        {
            ulong address = 0xC000_0000 + ((ulong)(at / 250) << 24) + ((ulong)(at % 250) << 12);
            Assert.Equal(functions[at].Source.Value, _world.Bus.Load(new(address), 4));
        }
    }

    [Fact]
    public void No_sequence_of_configuration_writes_breaks_the_machine() =>
        Property.Check(
            Generate.Program(
                from target in Gen.Elements<SourceId>(new(0, 1, 0), new(0, 2, 0), new(1, 0, 0), new(1, 1, 0), new(2, 0, 0), new(3, 0, 0))
                from offset in Gen.Choose(0, 0x8F)
                from width in Gen.Elements(1, 2, 4)
                from value in Gen.OneOf(Generate.Any64, Gen.Elements(0ul, ulong.MaxValue, 1ul, 2ul, 0x0302_01ul, 7ul, 0xE000ul, 0xE000_0000ul, 0xB000_0000ul, 0x40_00_00ul))
                select (target, offset, width, value: (uint)value),
                stepsMax: 60),
            program =>
            {
                using PciWorld world = new();
                PciBridge port = world.Add(new PciBridge(0x8086, 1), 1);
                PciBridge below = new(0x8086, 2, PciExpressType.ExpressToConventional);
                ProbeFunction near = new ProbeFunction().WithBar(0, 0x1000).WithPin(1).With(new MsiCapability(8)).With(new PciExpressCapability(PciExpressType.Endpoint));
                ProbeFunction far = new ProbeFunction().WithBar(0, 1ul << 36, is64Bit: true).With(new MsixCapability(16, 0, 0, 0x800));
                ProbeFunction root = world.Add(new ProbeFunction().WithBar(1, 0x100), 2);
                port.Secondary.Add(below, 0);
                port.Secondary.Add(near, 1);
                below.Secondary.Add(far, 0);
                Assert.True(world.Memory.TryWrite(new(0x1000), 0x0BAD_F00Du));
                foreach ((SourceId target, int offset, int width, uint value) in program)
                {
                    world.Write(target, offset, width, value);
                    world.StoreEcam(target, offset, width, value);
                    near.Want((value & 1) != 0);
                    foreach (ProbeFunction function in (ReadOnlySpan<ProbeFunction>)[near, far, root])
                    {
                        function.Raise((int)(value & 7));
                        DmaStatus status = function.Port.Read(new(0x1000), new byte[4]);
                        Assert.Contains(status, (IEnumerable<DmaStatus>)[DmaStatus.Success, DmaStatus.NotMaster, DmaStatus.Unclaimed]);
                        Assert.True(status == DmaStatus.NotMaster || (function.Command & PciCommand.BusMaster) != 0);
                    }

                    Assert.Equal(0x1234_8086ul, world.LoadEcam(new(0, 2, 0), 0, 4));
                    Assert.Equal(0x0BAD_F00Dul, world.Bus.Load(new(0x1000), 4));
                    _ = world.Bus.Load(new(0xE000_0000), 4);
                }
            });
}
