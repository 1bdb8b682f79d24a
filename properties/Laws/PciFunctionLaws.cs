using Dma.Machine;

namespace Dma.Properties;

/// <summary>What software may rely on of any one function: BARs, gates, errors, INTx and reset.</summary>
public sealed class PciFunctionLaws : IDisposable
{
    private static readonly SourceId Place = new(0, 3, 0);
    private readonly PciWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData(16ul, false, false)]
    [InlineData(0x1000ul, false, true)]
    [InlineData(1ul << 31, false, false)]
    [InlineData(0x4000ul, true, true)]
    [InlineData(1ul << 32, true, false)]
    [InlineData(1ul << 40, true, true)]
    public void All_ones_written_to_a_bar_read_back_as_its_size(ulong size, bool is64Bit, bool prefetchable)
    {
        ProbeFunction function = _world.Add(new ProbeFunction().WithBar(2, size, is64Bit, prefetchable), Place.Device);
        _world.Write(Place, 0x18, 4, uint.MaxValue);
        _world.Write(Place, 0x1C, 4, uint.MaxValue);
        uint low = _world.Read(Place, 0x18, 4);
        ulong mask = low & ~0xFu | ((ulong)_world.Read(Place, 0x1C, 4) << 32);
        Assert.Equal(size, is64Bit ? ~mask + 1 : (uint)(~(uint)mask + 1));
        Assert.Equal((is64Bit ? 4u : 0) | (prefetchable ? 8u : 0), low & 0xF);
        Assert.Equal(size, function.BarSize(2));
        Assert.Equal(0ul, function.BarSize(3));
    }

    [Fact]
    public void A_bar_answers_where_software_put_it_and_nowhere_else()
    {
        _ = _world.Add(new ProbeFunction().WithBar(0, 0x1000), Place.Device);
        _world.Write(Place, PciOffset.Bar0, 4, 0xE000_0000);
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE000_0000), 4));

        _world.Command(Place, PciCommand.MemorySpace);
        _world.Bus.Store(new(0xE000_0FFC), 4, 0x1234_5678);
        Assert.Equal(0x1234_5678ul, _world.Bus.Load(new(0xE000_0FFC), 4));
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE000_1000), 4));
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xDFFF_FFFC), 4));
        Assert.Equal(ulong.MaxValue, _world.Bus.Load(new(0xE000_0FFC), 8));

        // It follows while it is on, and what the device holds moves with it.
        _world.Write(Place, PciOffset.Bar0, 4, 0xE100_0000);
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE000_0FFC), 4));
        Assert.Equal(0x1234_5678ul, _world.Bus.Load(new(0xE100_0FFC), 4));
        _world.Command(Place, PciCommand.None);
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE100_0FFC), 4));
    }

    [Fact]
    public void A_64_bit_bar_answers_above_4_gib()
    {
        _ = _world.Add(new ProbeFunction().WithBar(4, 1ul << 34, is64Bit: true, prefetchable: true), Place.Device);
        _world.Write(Place, 0x20, 4, 0);
        _world.Write(Place, 0x24, 4, 0x40);
        _world.Command(Place, PciCommand.MemorySpace);
        _world.Bus.Store(new(0x43_FFFF_FFF8), 8, 0x1122_3344_5566_7788);
        Assert.Equal(0x1122_3344_5566_7788ul, _world.Bus.Load(new(0x43_FFFF_FFF8), 8));
        Assert.Equal(0x44ul, _world.Bus.Load(new(0x43_FFFF_FFFC), 1) & 0xFF);

        // Sizing while it is on puts it at the end of the address space for a moment, and breaks nothing.
        _world.Write(Place, 0x24, 4, uint.MaxValue);
        _world.Write(Place, 0x20, 4, uint.MaxValue);
        Assert.Equal(0xFFFF_FFFCu, _world.Read(Place, 0x24, 4));
        Assert.Equal(byte.MaxValue, _world.Bus.Load(new(0x43_FFFF_FFF8), 1));
        Assert.Equal(0x88ul, _world.Bus.Load(new(0xFFFF_FFFF_FFFF_FFF8), 1));
    }

    [Fact]
    public void A_bar_over_memory_leaves_memory_alone_and_one_over_the_chipset_the_chipset()
    {
        _ = _world.Add(new ProbeFunction().WithBar(0, 0x1000_0000), Place.Device);
        Assert.True(_world.Memory.TryWrite(new(0x100), 0x1234_5678u));
        _world.Command(Place, PciCommand.MemorySpace);
        Assert.Equal(0x1234_5678ul, _world.Bus.Load(new(0x100), 4));
        _world.Bus.Store(new(0x104), 4, 0x9ABC_DEF0);
        Assert.True(_world.Memory.TryRead(new(0x104), out uint stored));
        Assert.Equal(0x9ABC_DEF0, stored);

        _world.Write(Place, PciOffset.Bar0, 4, (uint)PciWorld.Ecam);
        Assert.Equal(0x1234_8086ul, _world.LoadEcam(Place, 0, 4));
    }

    [Fact]
    public void Of_two_bars_at_one_address_one_answers_and_the_other_when_it_is_gone()
    {
        ProbeFunction first = _world.Add(new ProbeFunction().WithBar(0, 0x1000), 1);
        ProbeFunction second = _world.Add(new ProbeFunction().WithBar(0, 0x4000), 2);
        first.WriteBar(0, 0, 4, 1);
        second.WriteBar(0, 0, 4, 2);
        second.WriteBar(0, 0x1000, 4, 3);
        foreach (ProbeFunction function in (ReadOnlySpan<ProbeFunction>)[first, second])
        {
            _world.Write(function.Source, PciOffset.Bar0, 4, 0xE000_0000);
            _world.Command(function.Source, PciCommand.MemorySpace);
        }

        Assert.Equal((1ul, 3ul), (_world.Bus.Load(new(0xE000_0000), 4), _world.Bus.Load(new(0xE000_1000), 4)));
        _world.Host.Root.Remove(first);
        Assert.Equal((2ul, 3ul), (_world.Bus.Load(new(0xE000_0000), 4), _world.Bus.Load(new(0xE000_1000), 4)));
        Assert.Equal(uint.MaxValue, _world.Read(new(0, 1, 0), 0, 4));
    }

    [Fact]
    public void Without_bus_master_enable_neither_data_nor_messages_leave_the_function()
    {
        ProbeFunction function = _world.Add(new ProbeFunction().With(new MsiCapability()), Place.Device);
        _world.Write(Place, 0x44, 4, 0xFEE0_1000);
        _world.Write(Place, 0x4C, 2, 0x41);
        _world.Write(Place, 0x42, 2, 1);
        byte[] bytes = [1, 2, 3, 4];
        Assert.Equal(DmaStatus.NotMaster, function.Port.Write(new(0x1000), bytes));
        Assert.Equal(DmaStatus.NotMaster, function.Port.Read(new(0x1000), bytes));
        function.Raise(0);
        Assert.Empty(_world.Messages);
        Assert.Empty(_world.Opened);
        Assert.True(_world.Memory.TryRead(new(0x1000), out uint untouched));
        Assert.Equal(0u, untouched);

        _world.Command(Place, PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Success, function.Port.Write(new(0x1000), bytes));
        function.Raise(0);
        Assert.Equal([new MessageInterrupt(0xFEE0_1000, 0x41)], _world.Messages);
        Assert.Equal([Place], _world.Opened);
        _world.Command(Place, PciCommand.None);
        Assert.Equal(DmaStatus.NotMaster, function.Port.Read(new(0x1000), bytes));
    }

    [Fact]
    public void A_function_that_is_not_plugged_in_reaches_nothing()
    {
        ProbeFunction function = new();
        function.Configuration.Write(PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        Assert.Equal(DmaStatus.NotMaster, function.Port.Write(new(0), [1]));
        _world.Host.Add(function, 5);
        Assert.Equal(DmaStatus.Success, function.Port.Write(new(0), [1]));
        Assert.Throws<InvalidOperationException>(() => _world.Host.Add(function, 6));
        Assert.Throws<ArgumentException>(() => _world.Host.Add(new ProbeFunction(), 5));
        _world.Host.Root.Remove(function);
        Assert.Equal(DmaStatus.NotMaster, function.Port.Write(new(0), [1]));
        Assert.Throws<ArgumentException>(() => _world.Host.Root.Remove(function));
        _world.Host.Add(function, 6);
        Assert.Equal((DmaStatus.Success, new SourceId(0, 6, 0)), (function.Port.Write(new(0), [1]), function.Port.Source));
    }

    [Fact]
    public void A_refused_read_is_a_received_master_abort_that_software_clears()
    {
        ProbeFunction function = _world.Add(new ProbeFunction(), Place.Device);
        _world.Command(Place, PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Unclaimed, function.Port.Write(new(1ul << 40), [1]));
        Assert.Equal(0u, _world.Read(Place, PciOffset.Status, 2));
        Assert.Equal(DmaStatus.Unclaimed, function.Port.Read(new(1ul << 40), new byte[1]));
        Assert.Equal((uint)PciStatus.ReceivedMasterAbort, _world.Read(Place, PciOffset.Status, 2));
        _world.Write(Place, PciOffset.Status, 2, 0x0FFF);
        Assert.Equal((uint)PciStatus.ReceivedMasterAbort, _world.Read(Place, PciOffset.Status, 2));
        _world.Write(Place, PciOffset.Status, 2, (uint)PciStatus.ReceivedMasterAbort);
        Assert.Equal(0u, _world.Read(Place, PciOffset.Status, 2));
    }

    [Fact]
    public void The_interrupt_pin_follows_the_device_unless_it_is_disabled_or_messages_are_on()
    {
        ProbeFunction function = _world.Add(new ProbeFunction().WithPin(2).With(new MsiCapability()), Place.Device);

        // INTB is 1, turned by device 3: line 0.
        const int Line = 0;
        function.Want(true);
        Assert.Equal([true, false, false, false], _world.Lines);
        Assert.True(_world.Host.IsLineAsserted(Line));
        Assert.Equal((uint)PciStatus.InterruptStatus, _world.Read(Place, PciOffset.Status, 2) & (uint)PciStatus.InterruptStatus);

        _world.Command(Place, PciCommand.InterruptDisable);
        Assert.False(_world.Lines[Line]);
        Assert.Equal((uint)PciStatus.InterruptStatus, _world.Read(Place, PciOffset.Status, 2) & (uint)PciStatus.InterruptStatus);
        _world.Command(Place, PciCommand.None);
        Assert.True(_world.Lines[Line]);

        _world.Write(Place, 0x42, 2, 1);
        Assert.False(_world.Lines[Line]);
        _world.Write(Place, 0x42, 2, 0);
        Assert.True(_world.Lines[Line]);
        function.Want(false);
        Assert.False(_world.Lines[Line]);
        Assert.Equal(0u, _world.Read(Place, PciOffset.Status, 2) & (uint)PciStatus.InterruptStatus);
    }

    [Fact]
    public void A_line_falls_when_the_last_of_those_that_share_it_lets_go()
    {
        ProbeFunction first = _world.Add(new ProbeFunction().WithPin(1), 4);
        ProbeFunction second = _world.Add(new ProbeFunction().WithPin(1), 8);
        first.Want(true);
        second.Want(true);
        first.Want(false);
        Assert.True(_world.Lines[0]);
        _world.Host.Root.Remove(second);
        Assert.False(_world.Lines[0]);
    }

    [Fact]
    public void A_function_level_reset_forgets_all_but_what_belongs_to_the_link()
    {
        ProbeFunction function = _world.Add(
            new ProbeFunction().WithPin(1).WithBar(0, 0x1000).With(new PciExpressCapability(PciExpressType.Endpoint)).With(new MsiCapability()), Place.Device);
        const int DeviceControl = 0x48;
        _world.Write(Place, DeviceControl, 2, 0x2830);
        _world.Write(Place, PciOffset.Bar0, 4, 0xE000_0000);
        _world.Write(Place, PciOffset.InterruptLine, 1, 11);
        _world.Command(Place, PciCommand.MemorySpace | PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Unclaimed, function.Port.Read(new(1ul << 40), new byte[1]));
        function.Want(true);
        function.WriteBar(0, 0, 4, 1);

        _world.Write(Place, DeviceControl, 2, 0x8000 | 0x2830);
        Assert.Equal(1, function.Resets);
        Assert.Equal(0x2830u, _world.Read(Place, DeviceControl, 2));
        Assert.Equal((uint)PciStatus.CapabilitiesList << 16, _world.Read(Place, PciOffset.Command, 4));
        Assert.Equal(0u, _world.Read(Place, PciOffset.Bar0, 4));
        Assert.Equal(0u, _world.Read(Place, PciOffset.InterruptLine, 1));
        Assert.False(_world.Lines[3]);
        Assert.Equal(uint.MaxValue, _world.Bus.Load(new(0xE000_0000), 4));
        Assert.Equal(DmaStatus.NotMaster, function.Port.Write(new(0x1000), [1]));

        function.Reset();
        Assert.Equal(2, function.Resets);
        Assert.Equal(0x2810u, _world.Read(Place, DeviceControl, 2));
    }

    [Fact]
    public void A_function_that_cannot_reset_itself_ignores_the_wish()
    {
        ProbeFunction function = _world.Add(
            new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint, functionLevelReset: false)), Place.Device);
        _world.Write(Place, 0x48, 2, 0x8000);
        Assert.Equal(0, function.Resets);
    }

    [Fact]
    public void Writes_to_registers_of_its_own_reach_the_device_and_no_others_do()
    {
        ProbeFunction function = _world.Add(
            new ProbeFunction().WithRegister(new(0x60, 1, "SBRN", new(0x20))).WithRegister(new(0x61, 1, "FLADJ", new(0x20, Writable: 0x3F))).With(new MsiCapability()), Place.Device);
        _world.Write(Place, 0x60, 2, 0xFFFF);
        Assert.Equal(0x3F20u, _world.Read(Place, 0x60, 2));
        _world.Write(Place, 0x42, 2, 1);
        _world.Write(Place, PciOffset.Command, 4, uint.MaxValue);
        Assert.Equal([(0x60, 0x20ul), (0x61, 0x3Ful)], function.OwnWrites.Select(write => (write.Offset, write.After)));
    }

    [Fact]
    public void Functions_of_one_device_say_that_there_are_several()
    {
        _ = _world.Add(new ProbeFunction(), 3, 0);
        Assert.Equal(0u, _world.Read(Place, PciOffset.HeaderType, 1));
        _ = _world.Add(new ProbeFunction(), 3, 7);
        Assert.Equal(0x80u, _world.Read(Place, PciOffset.HeaderType, 1));
        Assert.Equal(0x80u, _world.Read(new(0, 3, 7), PciOffset.HeaderType, 1));
        _world.Host.Reset();
        Assert.Equal(0x80u, _world.Read(Place, PciOffset.HeaderType, 1));
    }
}
