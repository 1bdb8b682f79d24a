using Dma.Machine;

namespace Dma.Properties;

/// <summary>Pins, table entries and messages of the I/O APIC, as a driver of INTx sees them.</summary>
public sealed class IoApicLaws : IDisposable
{
    private const ulong Registers = 0xFEC0_0000;
    private const int Pin = 17;
    private static readonly SourceId Source = new(0xF0, 0x1F, 0);

    private readonly PciWorld _world = new();
    private readonly IoApic _controller;

    public IoApicLaws()
    {
        _controller = new(_world, Source);
        _world.Bus.AddWindow(new(Registers), IoApic.Length, _controller);
    }

    public void Dispose() => _world.Dispose();

    [Fact]
    public void Its_messages_carry_its_own_source_id() => Assert.Equal([Source], _world.Opened);

    [Fact]
    public void An_edge_is_sent_once_for_each_rise_unless_masked()
    {
        _controller.SetLevel(Pin, true);
        _controller.SetLevel(Pin, false);
        Program(Pin, 0x41, destination: 3);
        Assert.Empty(_world.Messages);
        _controller.SetLevel(Pin, true);
        _controller.SetLevel(Pin, true);
        _controller.SetLevel(Pin, false);
        _controller.SetLevel(Pin, true);
        Assert.Equal([new(0xFEE0_3000, 0x41), new(0xFEE0_3000, 0x41)], _world.Messages);
        End(0x41);
        Assert.Equal(2, _world.Messages.Count);
    }

    [Fact]
    public void A_level_is_sent_once_and_again_after_its_end_while_it_lasts()
    {
        _controller.SetLevel(Pin, true);
        Program(Pin, 0x8041, destination: 0);
        Assert.Equal([new(0xFEE0_0000, 0xC041)], _world.Messages);
        Assert.Equal(1ul, (ReadIndex(0x10 + (2 * Pin)) >> 14) & 1);
        _controller.SetLevel(Pin, false);
        _controller.SetLevel(Pin, true);
        _ = Assert.Single(_world.Messages);
        End(0x40);
        _ = Assert.Single(_world.Messages);
        End(0x41);
        Assert.Equal(2, _world.Messages.Count);
        _controller.SetLevel(Pin, false);
        End(0x41);
        Assert.Equal(2, _world.Messages.Count);
        Assert.Equal(0ul, (ReadIndex(0x10 + (2 * Pin)) >> 14) & 1);
    }

    [Fact]
    public void A_masked_level_is_sent_when_it_is_unmasked_and_an_entry_made_edge_forgets_the_end()
    {
        Program(Pin, 0x1_8041, destination: 0);
        _controller.SetLevel(Pin, true);
        Assert.Empty(_world.Messages);
        Program(Pin, 0x8041, destination: 0);
        _ = Assert.Single(_world.Messages);
        Program(Pin, 0x1_0041, destination: 0);
        Program(Pin, 0x8041, destination: 0);
        Assert.Equal(2, _world.Messages.Count);
    }

    [Fact]
    public void An_entry_in_the_remappable_format_becomes_a_remappable_message()
    {
        // The handle has its bit 15 in bit 11 of the entry, the rest from bit 49 on; bit 48 is the format.
        const uint Handle = 0x9234;
        WriteIndex(0x10 + (2 * Pin) + 1, ((Handle & 0x7FFF) << 17) | (1 << 16));
        WriteIndex(0x10 + (2 * Pin), 0x41 | ((Handle >> 15) << 11));
        _controller.SetLevel(Pin, true);
        MessageInterrupt message = Assert.Single(_world.Messages);
        Assert.Equal(0xFEE0_0000 | ((Handle & 0x7FFF) << 5) | (1 << 4) | ((Handle >> 15) << 2), message.Address);
    }

    [Fact]
    public void Registers_answer_as_the_data_sheet_says()
    {
        Assert.Equal(0x0017_0020ul, ReadIndex(1));
        WriteIndex(0, uint.MaxValue);
        Assert.Equal(0x0F00_0000ul, ReadIndex(0));
        Assert.Equal(0x1_0000ul, ReadIndex(0x10));
        WriteIndex(0x10, uint.MaxValue);
        WriteIndex(0x11, uint.MaxValue);
        Assert.Equal((0x1_AFFFul, 0xFFFF_0000ul), (ReadIndex(0x10), ReadIndex(0x11)));
        WriteIndex(0xFF, uint.MaxValue);
        Assert.Equal(0ul, ReadIndex(0xFF));
        Assert.Equal(0ul, _world.Bus.Load(new(Registers + 0x10), 1));
    }

    [Fact]
    public void The_pin_of_a_function_arrives_as_a_message_until_the_device_is_served()
    {
        using PhysicalMemory memory = new(0x1000);
        DirectFabric fabric = new(memory, _world);
        IoApic controller = new(fabric, Source);
        PciHost host = new(new(memory), fabric, controller.PinsFrom(16));
        ProbeFunction function = new ProbeFunction().WithPin(1);
        host.Add(function, 1);
        controller.Write(0, 4, 0x10 + (2 * Pin));
        controller.Write(0x10, 4, 0x8055);
        function.Want(true);
        controller.Write(0x40, 4, 0x55);
        function.Want(false);
        controller.Write(0x40, 4, 0x55);
        Assert.Equal([new(0xFEE0_0000, 0xC055), new(0xFEE0_0000, 0xC055)], _world.Messages);
    }

    private void Program(int pin, uint low, byte destination)
    {
        WriteIndex(0x10 + (2 * pin) + 1, (uint)destination << 24);
        WriteIndex(0x10 + (2 * pin), low);
    }

    private void End(byte vector) => _world.Bus.Store(new(Registers + 0x40), 4, vector);

    private void WriteIndex(int index, uint value)
    {
        _world.Bus.Store(new(Registers), 4, (uint)index);
        _world.Bus.Store(new(Registers + 0x10), 4, value);
    }

    private ulong ReadIndex(int index)
    {
        _world.Bus.Store(new(Registers), 4, (uint)index);
        return _world.Bus.Load(new(Registers + 0x10), 4);
    }
}
