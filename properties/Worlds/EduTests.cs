using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The teaching device as its documentation tells it, over memory as it is and through a remapping unit.</summary>
public sealed class EduTests
{
    private const ulong Window = 0x20_0000;
    private const int WindowLength = 3 * 4096;
    private const ulong Start = 1;
    private const ulong FromDevice = 3;

    [Fact]
    public void It_says_who_it_is_and_inverts_what_it_is_given()
    {
        using EduWorld world = new();
        Assert.Equal(0x11E8_1234u, world.Machine.Pci.ReadConfiguration(world.Device.Source, 0, 4));
        Assert.Equal(1ul << 20, world.Device.BarSize(0));
        Assert.Equal(0x0100_00EDul, world.Read(0));
        Property.Check(
            Generate.Any64,
            value =>
            {
                world.Write(0x04, value);
                Assert.Equal(~(uint)value, world.Read(0x04));
            });
    }

    [Fact]
    public void A_factorial_is_the_product_of_the_numbers_up_to_its_argument_in_32_bits() =>
        Property.Check(
            Gen.OneOf(Gen.Choose(0, 40), Gen.Choose(0, int.MaxValue)).Select(value => (uint)value),
            argument =>
            {
                using EduWorld world = new();
                world.Write(0x08, argument);
                uint product = 1;
                for (uint factor = 1; factor <= Math.Min(argument, 100); factor++)
                    product *= factor;
                Assert.Equal(product, world.Read(0x08));
                Assert.Equal(0ul, world.Read(0x20));
                Assert.Equal(0ul, world.Machine.Loop.NowNs);
            });

    [Fact]
    public void While_a_factorial_is_computed_its_register_stands_still_and_says_so()
    {
        using EduWorld world = new();
        ulong at = world.Device.DecodedAt(0)!.Value;
        world.Machine.Bus.Store(new(at + 0x08), 4, 5);
        Assert.Equal(1ul, world.Machine.Bus.Load(new(at + 0x20), 4));
        world.Machine.Bus.Store(new(at + 0x08), 4, 3);
        world.Machine.Bus.Store(new(at + 0x20), 4, 0x80);
        world.Machine.Settle();
        Assert.Equal(120ul, world.Read(0x08));
        Assert.Equal(0x80ul, world.Read(0x20));
        Assert.Equal(1ul, world.Read(0x24));
    }

    [Fact]
    public void Transfers_move_bytes_between_memory_and_the_buffer_and_change_nothing_else() =>
        Property.Check(
            Generate.Program(Transfers, stepsMax: 12),
            program =>
            {
                using EduWorld world = new();
                byte[] memory = new byte[WindowLength];
                byte[] buffer = new byte[4096];
                new Random(program.Length).NextBytes(memory);
                world.Put(Window, memory);
                foreach (Move move in program)
                {
                    ulong at = Window + (ulong)move.InMemory;
                    ulong done = move.ToMemory
                        ? world.Transfer(EduWorld.Buffer + move.InBuffer, at, move.Count, FromDevice)
                        : world.Transfer(at, EduWorld.Buffer + move.InBuffer, move.Count, Start);
                    Assert.Equal(move.ToMemory ? 2ul : 0, done);
                    if (!move.Fits)
                        continue;
                    Span<byte> there = buffer.AsSpan((int)move.InBuffer, (int)move.Count);
                    Span<byte> here = memory.AsSpan(move.InMemory, (int)move.Count);
                    if (move.ToMemory)
                        there.CopyTo(here);
                    else
                        here.CopyTo(there);
                }

                Assert.Equal(memory, world.Memory(Window, WindowLength));
                _ = world.Transfer(EduWorld.Buffer, Window, 4096, FromDevice);
                Assert.Equal(buffer, world.Memory(Window, 4096));
            });

    [Fact]
    public void A_transfer_takes_a_tenth_of_a_second_in_which_its_registers_stand_still()
    {
        using EduWorld world = new();
        world.Put(Window, [1, 2, 3, 4]);
        world.Write(EduWorld.Source, Window, 8);
        world.Write(EduWorld.Destination, EduWorld.Buffer, 8);
        world.Write(EduWorld.Count, 4);
        world.Write(EduWorld.Command, 2);
        Assert.Equal(0ul, world.Read(EduWorld.Command));
        world.Write(EduWorld.Command, 5);
        Assert.Equal(5ul, world.Read(EduWorld.Command));
        foreach (ulong register in (ulong[])[EduWorld.Source, EduWorld.Destination, EduWorld.Count, EduWorld.Command])
        {
            ulong before = world.Read(register, 8);
            world.Write(register, 0x77, 8);
            Assert.Equal(before, world.Read(register, 8));
        }

        world.Machine.Loop.RunFor(EduWorld.TransferNs - 1);
        Assert.Equal(0ul, world.Read(0x24));
        world.Machine.Loop.RunFor(1);
        Assert.Equal(4ul, world.Read(EduWorld.Command));
        Assert.Equal(0x100ul, world.Read(0x24));
    }

    [Fact]
    public void Interrupts_come_by_the_pin_until_messages_are_on_and_stay_until_acknowledged()
    {
        using EduWorld world = new();
        List<(int, bool)> changes = [];
        world.Machine.Pins.Changed = (pin, level) => changes.Add((pin, level));
        world.Write(0x60, 0);
        Assert.Empty(changes);
        world.Write(0x60, 0x30);
        world.Write(0x60, 0x05);
        Assert.Equal(0x35ul, world.Read(0x24));
        world.Write(0x64, 0x31);
        Assert.Equal([(20, true)], changes);
        world.Write(0x64, 0x04);
        Assert.Equal([(20, true), (20, false)], changes);

        SourceId place = world.Device.Source;
        int msi = (int)world.Machine.Pci.ReadConfiguration(place, PciOffset.CapabilityPointer, 1);
        world.Machine.Pci.WriteConfiguration(place, msi + 4, 4, 0xFEE0_1000);
        world.Machine.Pci.WriteConfiguration(place, msi + 12, 2, 0x41);
        world.Machine.Pci.WriteConfiguration(place, msi + 2, 2, 1);
        world.Write(0x60, 8);
        world.Write(0x60, 8);
        MessageInterrupt message = new(0xFEE0_1000, 0x41);
        Assert.Equal([message, message], world.Machine.Interrupts.Take());
        Assert.Empty(world.Machine.Interrupts.Take());
        Assert.Equal(2, changes.Count);
    }

    [Fact]
    public void Addresses_lose_the_bits_that_the_mask_does_not_have()
    {
        foreach (ulong mask in (ulong[])[(1ul << 28) - 1, ulong.MaxValue])
        {
            using EduWorld world = new(null, new() { DmaMask = mask });
            world.Put(Window, [0xAB]);
            _ = world.Transfer(Window | (1ul << 28), EduWorld.Buffer, 1, Start);
            _ = world.Transfer(EduWorld.Buffer, Window + 1, 1, FromDevice);
            Assert.Equal(mask == ulong.MaxValue ? 0 : 0xAB, world.Memory(Window + 1, 1)[0]);
        }
    }

    [Fact]
    public void Accesses_of_other_widths_and_elsewhere_find_nothing()
    {
        using EduWorld world = new();
        foreach ((ulong offset, int width) in ((ulong, int)[])[(4, 1), (4, 2), (0, 8), (4, 8), (0x80, 2), (0x84, 4), (0x40000, 4), (0x60, 4), (0xFFFFC, 4)])
        {
            ulong liveness = world.Read(4);
            world.Write(offset, 0, width);
            Assert.Equal(width < 4 ? 0 : RegisterFile.AllOnes(width), world.Read(offset, width));
            Assert.Equal(liveness, world.Read(4));
        }
    }

    [Fact]
    public void Nothing_moves_while_it_is_no_bus_master_and_a_reset_forgets_everything()
    {
        using EduWorld world = new();
        world.Put(Window, [1, 2, 3, 4]);
        _ = world.Transfer(Window, EduWorld.Buffer, 4, Start);
        world.Machine.Pci.WriteConfiguration(world.Device.Source, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        _ = world.Transfer(EduWorld.Buffer, Window + 8, 4, FromDevice);
        Assert.Equal(new byte[4], world.Memory(Window + 8, 4));

        world.Write(EduWorld.Command, 5);
        world.Device.Reset();
        world.Machine.PlaceBars();
        world.Machine.Loop.RunFor(EduWorld.TransferNs);
        Assert.Equal(0ul, world.Read(0x24));
        Assert.Equal(0ul, world.Read(EduWorld.Source, 8));
        _ = world.Transfer(EduWorld.Buffer, Window, 4, FromDevice);
        Assert.Equal(new byte[4], world.Memory(Window, 4));
    }

    [Fact]
    public void Through_the_unit_a_transfer_goes_where_the_tables_say_page_by_page()
    {
        using EduWorld world = new(HardwareProfile.Named("friendly"));
        TableWriter tables = world.EnableTranslation();
        EduWorld.Map(tables, 0x8_0000, Window);
        EduWorld.Map(tables, 0x8_2000, Window + 4096);
        byte[] bytes = [.. Enumerable.Range(1, 8192).Select(value => (byte)(value % 251))];
        world.Put(Window, bytes);

        // The end of one mapped page, into the next, which is not mapped: what is refused reads as zeros.
        _ = world.Transfer(0x8_0FF0, EduWorld.Buffer, 32, Start);
        _ = world.Transfer(EduWorld.Buffer, 0x8_2000, 32, FromDevice);
        Assert.Equal([.. bytes.AsSpan(0xFF0, 16), .. new byte[16]], world.Memory(Window + 4096, 32));
        Assert.Equal((0x8_1000ul, FaultReason.ReadNotPermitted), TakeFault(world));

        // From a page that is not mapped into one that is: the second page arrives all the same.
        _ = world.Transfer(0x8_1FF8, EduWorld.Buffer, 16, Start);
        _ = world.Transfer(EduWorld.Buffer, 0x8_0000, 16, FromDevice);
        Assert.Equal([.. new byte[8], .. bytes.AsSpan(0xFF0, 8)], world.Memory(Window, 16));
        Assert.Equal((0x8_1000ul, FaultReason.ReadNotPermitted), TakeFault(world));

        // Memory as it is cannot be reached any more.
        byte[] before = world.Memory(Window, 64);
        _ = world.Transfer(EduWorld.Buffer, Window, 64, FromDevice);
        Assert.Equal(before, world.Memory(Window, 64));
        Assert.Equal((Window, FaultReason.WriteNotPermitted), TakeFault(world));
    }

    private static Gen<Move> Transfers =>
        from toMemory in Gen.Elements(true, false)
        from inMemory in Gen.Choose(0, WindowLength - 4096)
        from inBuffer in Gen.Frequency((6, Gen.Choose(0, 4096)), (1, Gen.Choose(-10, 5000)), (1, Gen.Choose(int.MinValue, int.MaxValue)))
        from count in Gen.Frequency((6, Gen.Choose(0, 4096 - Math.Clamp(inBuffer, 0, 4096))), (1, Gen.Choose(0, 5000)), (1, Gen.Choose(-8, -1)))
        select new Move(toMemory, inMemory, (ulong)inBuffer, (ulong)count);

    // The newest fault that the unit has recorded, taken from it.
    private static (ulong Page, FaultReason Reason) TakeFault(EduWorld world)
    {
        CapabilityRegister capabilities = world.Machine.Unit.Profile.Capabilities;
        ulong at = EduWorld.Unit + (ulong)RegisterOffsets.FaultRecord(capabilities, 0);
        int index = (int)new FaultStatus(new(world.Machine.Load(EduWorld.Unit + RegisterOffsets.FaultStatus, 4))).FaultRecordIndex;
        FaultRecord record = new(new(world.Machine.Load(at + (16ul * (ulong)index), 8), world.Machine.Load(at + (16ul * (ulong)index) + 8, 8)));
        Assert.True(record.Fault);
        Assert.Equal(world.Device.Source, record.Source);
        world.Machine.Store(at + (16ul * (ulong)index) + 8, 8, 1ul << 63);
        return (record.Address.Value, record.Reason);
    }

    private sealed record Move(bool ToMemory, int InMemory, ulong InBuffer, ulong Count)
    {
        public bool Fits => InBuffer <= 4096 && Count <= 4096 - InBuffer;
    }
}
