using Dma.Devices;
using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The machine without a processor: where its parts are, and what a range of addresses gives.</summary>
public sealed class ScriptedMachineTests
{
    private const ulong Gibibyte = 1ul << 30;

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 2, 0)]
    [InlineData(3, 2, 1)]
    [InlineData(8, 2, 6)]
    public void Memory_is_split_as_on_the_machine_that_it_stands_for(ulong gibibytes, ulong low, ulong high)
    {
        using ScriptedMachine machine = new(new() { RamBytes = gibibytes * Gibibyte });
        Assert.Equal(
            high == 0 ? [(new(0), low * Gibibyte)] : [(new(0), low * Gibibyte), (new(4 * Gibibyte), high * Gibibyte)],
            machine.Memory.Extents);
    }

    [Fact]
    public void Memory_ends_at_B0000000h_before_it_is_split()
    {
        using ScriptedMachine machine = new(new() { RamBytes = 0xB000_0000 });
        _ = Assert.Single(machine.Memory.Extents);
        using ScriptedMachine larger = new(new() { RamBytes = 0xB000_1000 });
        Assert.Equal([0x8000_0000ul, 0x3000_1000ul], larger.Memory.Extents.Select(extent => extent.Length));
    }

    [Fact]
    public void A_file_holds_memory_in_the_order_of_its_addresses()
    {
        using TemporaryFile file = new();
        using (ScriptedMachine machine = new(new() { RamBytes = 3 * Gibibyte, RamFile = file.Path }))
        {
            machine.Store(0x1000, 8, 1);
            machine.Store(4 * Gibibyte, 8, 2);
        }

        using FileStream stream = File.OpenRead(file.Path);
        Assert.Equal(3 * Gibibyte, (ulong)stream.Length);
        Assert.Equal([1, 2], new[] { 0x1000L, 2L << 30 }.Select(at =>
        {
            stream.Position = at;
            return stream.ReadByte();
        }));
    }

    [Fact]
    public void Sizes_that_cannot_be_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new ScriptedMachine(new() { RamBytes = 0 }));
        Assert.Throws<ArgumentException>(() => new ScriptedMachine(new() { RamBytes = 4097 }));
        Assert.Throws<ArgumentException>(() => new ScriptedMachine(new() { RamBytes = 64 * Gibibyte, Profile = HardwareProfile.Named("minimal") }));
    }

    [Fact]
    public void A_range_is_memory_registers_or_nothing_page_by_page()
    {
        using ScriptedMachine machine = new(new() { RamBytes = 0x2000 });
        byte[] bytes = [.. Enumerable.Range(0, 0x30).Select(value => (byte)value)];
        machine.Write(0x1FF0, bytes);
        byte[] found = new byte[0x30];
        machine.Read(0x1FF0, found);
        Assert.Equal([.. bytes[..0x10], .. Enumerable.Repeat((byte)0xFF, 0x20)], found);

        byte[] capabilities = new byte[11];
        machine.Read(0xFED9_0008, capabilities);
        Assert.Equal(machine.Unit.Profile.Capabilities.Raw.Value, BitConverter.ToUInt64(capabilities));
        machine.Write(0xFED9_0020, [0x00, 0x50, 0x23, 0x01, 0, 0, 0, 0]);
        Assert.Equal(0x0123_5000ul, machine.Load(0xFED9_0020, 8));
    }

    [Fact]
    public void Configuration_space_answers_at_ports_and_in_memory_and_a_machine_may_have_no_unit()
    {
        using ScriptedMachine machine = new(new() { Profile = null });
        _ = machine.Plug(new EduDevice(machine.Loop), 4, 2);
        machine.Out(0xCF8, 4, 0x8000_2200);
        Assert.Equal(0x11E8_1234u, machine.In(0xCFC, 4));
        Assert.Equal(0x11E8_1234ul, machine.Load(0xB000_0000 + (0x22 << 12), 4));
        Assert.Equal(uint.MaxValue, machine.Load(0xFED9_0008, 4));
        Assert.False(machine.IsRemapped);
        Assert.Throws<InvalidOperationException>(() => machine.Unit);
        Assert.IsType<DirectFabric>(machine.Fabric);
    }

    [Fact]
    public void The_newest_messages_are_kept_and_all_are_counted()
    {
        using ScriptedMachine machine = new(new() { Profile = null });
        IDmaPort port = machine.Fabric.Open(new(0, 9, 0));
        for (int sent = 0; sent < InterruptLog.MessagesMax + 5; sent++)
            Assert.Equal(DmaStatus.Success, port.Write(new(0xFEE0_0000), BitConverter.GetBytes(sent)));
        IReadOnlyList<MessageInterrupt> kept = machine.Interrupts.Take();
        Assert.Equal(InterruptLog.MessagesMax, kept.Count);
        Assert.Equal((5u, InterruptLog.MessagesMax + 4u), (kept[0].Data, kept[^1].Data));
        Assert.Equal(InterruptLog.MessagesMax + 5ul, machine.Interrupts.Delivered);
    }
}
