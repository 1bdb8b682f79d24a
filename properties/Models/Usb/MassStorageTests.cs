using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class MassStorageTests
{
    private const int Block = 512;
    private const int Blocks = 64;

    private static readonly ScsiDiskOptions Quiet = new() { ReportsReset = false };

    /// <summary>What a host asks of the disk.</summary>
    public sealed record Access(bool IsWrite, int Form, uint FirstBlock, int Count, uint Expected, bool IsIn);

    private static Gen<Access> Accesses =>
        from isWrite in Gen.Elements(false, true)
        from form in Gen.Elements(6, 10, 12, 16)
        from first in Gen.Choose(0, Blocks + 2)
        from count in Gen.Choose(form == 6 ? 1 : 0, 9)
        from expected in Gen.Frequency(
            (5, Gen.Constant((uint)(count * Block))),
            (1, Gen.Constant(0u)),
            (2, Gen.Choose(1, 10 * Block).Select(bytes => (uint)bytes)),
            (1, Gen.Choose(0, 10).Select(blocks => (uint)(blocks * Block))))
        from isIn in Gen.Frequency((5, Gen.Constant(!isWrite)), (1, Gen.Constant(isWrite)))
        select new Access(isWrite, form, (uint)first, count, expected, isIn);

    [Fact]
    public void Any_sequence_of_commands_ends_as_the_thirteen_cases_say_and_leaves_what_a_simple_disk_would_hold() =>
        Property.Check(Accesses.ListOf(), accesses =>
        {
            byte[] content = Pattern(Blocks * Block);
            byte[] model = [.. content];
            BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content, isWritable: true), Quiet));
            byte fill = 1;
            foreach (Access access in accesses)
                Step(host, model, access, fill++);
            Assert.Equal(model, content);
        });

    [Fact]
    public void Data_arrives_once_although_acknowledgements_of_data_get_lost() => Property.Check(
        ArbMap.Default.ArbFor<int>(),
        seed =>
        {
            byte[] content = Pattern(Blocks * Block);
            BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content), Quiet));
            Random random = new(seed);
            host.Usb.LosesAcknowledgement = length => length == Block && random.Next(3) == 0;
            BulkOnlyTestHost.Exchange exchange = host.Run(Command(new(false, 10, 3, 8, 0, true)), 8 * Block, isIn: true);
            Assert.Equal(content[(3 * Block)..(11 * Block)], exchange.Data);
            host.Usb.LosesAcknowledgement = static _ => false;
            Assert.Equal(CommandStatus.Passed, host.Run(Command(new(false, 10, 0, 1, 0, true)), Block, isIn: true).Status);
        },
        count: 50);

    [Fact]
    public void Random_bytes_in_place_of_a_command_never_change_a_protected_disk_and_a_recovery_always_helps() => Property.Check(
        ArbMap.Default.GeneratorFor<byte[]>().ListOf(),
        packets =>
        {
            byte[] content = Pattern(Blocks * Block);
            BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content), Quiet));
            foreach (byte[] packet in packets)
            {
                _ = host.SendRaw(packet.AsSpan(0, Math.Min(packet.Length, Block)));
                _ = host.ReadOnce();
            }

            host.Recover();
            BulkOnlyTestHost.Exchange exchange = host.Run(Command(new(false, 10, 1, 2, 0, true)), 2 * Block, isIn: true);
            Assert.Equal((CommandStatus.Passed, 0u), (exchange.Status, exchange.Residue));
            Assert.Equal(Pattern(Blocks * Block)[Block..(3 * Block)], exchange.Data);
            Assert.Equal(Pattern(Blocks * Block), content);
        });

    [Fact]
    public void A_write_whose_wrapper_has_one_wrong_bit_or_length_changes_nothing_and_a_recovery_helps()
    {
        byte[] content = Pattern(Blocks * Block);
        BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content, isWritable: true), Quiet));
        byte[] good = Packed.ToArray(
            new CommandBlockWrapper
            {
                Signature = CommandBlockWrapper.ValidSignature,
                Tag = 7,
                DataLength = Block,
                CommandLength = 16,
                Command = Command(new(true, 10, 3, 1, 0, false)),
            },
            CommandBlockWrapper.Size);

        // The signature; the reserved flags; the unit; the reserved bits of the length. A length of 16 with one bit more is too long.
        foreach (int bit in (int[])[.. Enumerable.Range(0, 32), .. Enumerable.Range(96, 7), .. Enumerable.Range(104, 16)])
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            Refuses(bad);
        }

        foreach (int length in Enumerable.Range(0, 64).Where(length => length != CommandBlockWrapper.Size))
            Refuses([.. good.Take(length), .. new byte[Math.Max(0, length - good.Length)]]);
        Assert.Equal(UsbPid.Ack, host.SendRaw(good));
        Assert.Equal(UsbPid.Ack, host.SendRaw(new byte[Block]));
        Assert.Equal(new byte[Block], content[(3 * Block)..(4 * Block)]);

        void Refuses(byte[] wrapper)
        {
            _ = host.SendRaw(wrapper);
            Assert.Equal(UsbPid.Stall, host.SendRaw(new byte[Block]));
            Assert.Equal(UsbPid.Stall, host.ReadOnce().End);
            Assert.Equal(Pattern(Blocks * Block), content);
            host.Recover();
        }
    }

    [Fact]
    public void Any_command_bytes_in_a_valid_wrapper_end_with_a_status_and_never_change_a_protected_disk() => Property.Check(
        from seed in ArbMap.Default.GeneratorFor<int>()
        from length in Gen.Choose(1, 16)
        from expected in Gen.Choose(0, 2000)
        from isIn in ArbMap.Default.GeneratorFor<bool>()
        select (seed, length, expected, isIn),
        sample =>
        {
            byte[] content = Pattern(Blocks * Block);
            BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content)));
            byte[] bytes = new byte[16];
            new Random(sample.seed).NextBytes(bytes);

            // Half of them are operations that the disk knows.
            ScsiOperation[] known = Enum.GetValues<ScsiOperation>();
            if ((sample.seed & 1) == 0)
                bytes[0] = (byte)known[(uint)sample.seed % known.Length];
            for (int again = 0; again < 2; again++)
            {
                BulkOnlyTestHost.Exchange exchange = host.Run(
                    Packed.Read<CommandBlock>(bytes), (uint)sample.expected, sample.isIn, new byte[sample.expected], sample.length);
                Assert.NotNull(exchange.Status);
                Assert.True(exchange.Residue <= (uint)sample.expected);
                if (exchange.Status == CommandStatus.PhaseError)
                    host.Recover();
            }

            Assert.Equal(Pattern(Blocks * Block), content);
        },
        count: 1000);

    [Fact]
    public void What_is_no_command_halts_both_pipes_until_a_reset_recovery()
    {
        BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet));
        _ = host.SendRaw(new byte[CommandBlockWrapper.Size]);
        Assert.Equal(UsbPid.Stall, host.ReadOnce().End);
        Assert.Equal(UsbPid.Stall, host.SendRaw(new byte[CommandBlockWrapper.Size]));

        // Clearing alone does not help.
        host.Usb.ClearHalt(1, isIn: true);
        host.Usb.ClearHalt(2, isIn: false);
        Assert.Equal(UsbPid.Stall, host.ReadOnce().End);
        Assert.Equal(UsbPid.Stall, host.SendRaw(new byte[CommandBlockWrapper.Size]));

        host.Recover();
        Assert.Equal(CommandStatus.Passed, host.Run(Command(new(false, 10, 0, 1, 0, true)), Block, isIn: true).Status);
    }

    [Fact]
    public void A_bad_block_is_a_medium_error_and_the_blocks_before_it_arrive()
    {
        BulkOnlyTestHost host = new(new MassStorageDevice(new BadBlockImage(new MemoryDiskImage(Pattern(Blocks * Block), isWritable: true), badBlock: 5), Quiet));
        BulkOnlyTestHost.Exchange exchange = host.Run(Command(new(false, 10, 3, 8, 0, true)), 8 * Block, isIn: true);
        Assert.Equal((CommandStatus.Failed, 6u * Block, true), (exchange.Status, exchange.Residue, exchange.Stalled));
        Assert.Equal(Pattern(Blocks * Block)[(3 * Block)..(5 * Block)], exchange.Data);
        Assert.Equal((SenseKey.MediumError, 0x11, 0), host.Sense());
        Assert.Equal((SenseKey.NoSense, 0, 0), host.Sense());

        exchange = host.Run(Command(new(true, 10, 5, 1, 0, false)), Block, isIn: false, new byte[Block]);
        Assert.Equal(CommandStatus.Failed, exchange.Status);
        Assert.Equal((SenseKey.MediumError, 0x0C, 0), host.Sense());
    }

    [Fact]
    public void Refusals_have_the_sense_that_the_standard_gives_them()
    {
        BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(Pattern(Blocks * Block))));
        CommandBlock test = new CommandBlock6 { Operation = ScsiOperation.TestUnitReady }.Block;
        Assert.Equal(CommandStatus.Failed, host.Run(test, 0, isIn: false, commandLength: 6).Status);
        Assert.Equal((SenseKey.UnitAttention, 0x29, 0), host.Sense());
        Assert.Equal(CommandStatus.Passed, host.Run(test, 0, isIn: false, commandLength: 6).Status);

        Assert.Equal(CommandStatus.Failed, host.Run(Command(new(false, 10, Blocks, 1, 0, true)), Block, isIn: true).Status);
        Assert.Equal((SenseKey.IllegalRequest, 0x21, 0), host.Sense());
        Assert.Equal(CommandStatus.Failed, host.Run(Command(new(true, 10, 0, 1, 0, false)), Block, isIn: false, new byte[Block]).Status);
        Assert.Equal((SenseKey.DataProtect, 0x27, 0), host.Sense());
        Assert.Equal(CommandStatus.Failed, host.Run(new CommandBlock6 { Operation = (ScsiOperation)0x02 }.Block, 0, isIn: false, commandLength: 6).Status);
        Assert.Equal((SenseKey.IllegalRequest, 0x20, 0), host.Sense());
    }

    [Fact]
    public void A_disk_answers_the_questions_that_systems_ask()
    {
        BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet));
        byte[] inquiry = Ask(host, new(ScsiOperation.Inquiry, 36), 6);
        Assert.Equal((36, 0x00, 0x80, 31), (inquiry.Length, inquiry[0], inquiry[1], inquiry[4]));
        Assert.Equal("DMA     Simulated Disk  1.0 ", System.Text.Encoding.ASCII.GetString(inquiry, 8, 28));

        // A host that asks for more than there is gets what there is, and is told by the residue.
        BulkOnlyTestHost.Exchange more = host.Run(new CommandBlock6 { Operation = ScsiOperation.Inquiry, Length = 0xFF }.Block, 0xFF, isIn: true);
        Assert.Equal((36, 0xFFu - 36, CommandStatus.Passed, false), (more.Data.Length, more.Residue, more.Status, more.Stalled));

        byte[] capacity = Ask(host, new(ScsiOperation.ReadCapacity10, 8), 10);
        ReadCapacity10Data data = Packed.Read<ReadCapacity10Data>(capacity);
        Assert.Equal((Blocks - 1u, (uint)Block), (data.LastLogicalBlock, data.BlockLength));
        byte[] mode = host.Run(new CommandBlock6 { Operation = ScsiOperation.ModeSense6, LogicalBlock = 0x3F00, Length = 192 }.Block, 192, isIn: true).Data;
        Assert.Equal((24, 0x80, 0x08), (mode.Length, mode[2] & 0x80, mode[4]));
        Assert.Equal([0, 0, 0, 8, 0, 0, 0, Blocks, 2, 0, 2, 0], Ask(host, new(ScsiOperation.ReadFormatCapacities, 12), 10));

        static byte[] Ask(BulkOnlyTestHost host, (ScsiOperation Operation, int Length) what, int commandLength)
        {
            CommandBlock command = commandLength == 6
                ? new CommandBlock6 { Operation = what.Operation, Length = (byte)what.Length }.Block
                : new CommandBlock10 { Operation = what.Operation, Length = (ushort)what.Length }.Block;
            BulkOnlyTestHost.Exchange exchange = host.Run(command, (uint)what.Length, isIn: true, commandLength: commandLength);
            Assert.Equal((CommandStatus.Passed, 0u), (exchange.Status, exchange.Residue));
            return exchange.Data;
        }
    }

    [Fact]
    public void A_disk_beyond_two_tebibytes_is_read_by_commands_of_sixteen_bytes()
    {
        const ulong HugeBlocks = (3ul << 40) / Block;
        BulkOnlyTestHost host = new(new MassStorageDevice(new FormulaImage(3ul << 40), Quiet));
        BulkOnlyTestHost.Exchange exchange = host.Run(new CommandBlock10 { Operation = ScsiOperation.ReadCapacity10 }.Block, 8, isIn: true);
        Assert.Equal(uint.MaxValue, Packed.Read<ReadCapacity10Data>(exchange.Data).LastLogicalBlock);
        exchange = host.Run(new CommandBlock16 { Operation = ScsiOperation.ServiceActionIn16, Options = 0x10, Length = 32 }.Block, 32, isIn: true);
        Assert.Equal(HugeBlocks - 1, Packed.Read<ReadCapacity16Data>(exchange.Data).LastLogicalBlock);
        exchange = host.Run(new CommandBlock16 { Operation = ScsiOperation.Read16, LogicalBlock = HugeBlocks - 1, Length = 1 }.Block, Block, isIn: true);
        byte[] expected = new byte[Block];
        Assert.True(new FormulaImage(3ul << 40).TryRead((HugeBlocks - 1) * Block, expected));
        Assert.Equal(expected, exchange.Data);
    }

    [Fact]
    public void A_file_that_shrinks_under_the_disk_becomes_bad_blocks_and_a_file_is_not_written_unless_allowed()
    {
        string path = Path.Combine(Path.GetTempPath(), $"dma-{Guid.NewGuid():N}.img");
        try
        {
            File.WriteAllBytes(path, Pattern(Blocks * Block));
            using FileDiskImage image = new(path);
            BulkOnlyTestHost host = new(new MassStorageDevice(image, Quiet));
            Assert.Equal(Pattern(Blocks * Block)[..(8 * Block)], host.Run(Command(new(false, 10, 0, 8, 0, true)), 8 * Block, isIn: true).Data);
            Assert.Equal(CommandStatus.Failed, host.Run(Command(new(true, 10, 0, 1, 0, false)), Block, isIn: false, new byte[Block]).Status);
            using (FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
                file.SetLength(2 * Block);
            Assert.Equal(CommandStatus.Failed, host.Run(Command(new(false, 10, 0, 8, 0, true)), 8 * Block, isIn: true).Status);
            Assert.Equal((SenseKey.MediumError, 0x11, 0), host.Sense());
            Assert.Equal(Pattern(Blocks * Block)[..(2 * Block)], File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_is_written_to_a_writable_file_is_in_the_file()
    {
        string path = Path.Combine(Path.GetTempPath(), $"dma-{Guid.NewGuid():N}.img");
        try
        {
            File.WriteAllBytes(path, new byte[Blocks * Block]);
            using FileDiskImage image = new(path, isWritable: true);
            BulkOnlyTestHost host = new(new MassStorageDevice(image, Quiet));
            byte[] data = Pattern(3 * Block);
            Assert.Equal(CommandStatus.Passed, host.Run(Command(new(true, 10, 7, 3, 0, false)), 3 * Block, isIn: false, data).Status);
            Assert.Equal(CommandStatus.Passed, host.Run(new CommandBlock10 { Operation = ScsiOperation.SynchronizeCache10 }.Block, 0, isIn: false).Status);
            Assert.Equal(data, File.ReadAllBytes(path)[(7 * Block)..(10 * Block)]);
        }
        finally
        {
            File.Delete(path);
        }
    }

    // One command, against the table of the thirteen cases and a disk that is an array.
    private static void Step(BulkOnlyTestHost host, byte[] model, Access access, byte fill)
    {
        byte[] data = new byte[access.Expected];
        Array.Fill(data, fill);
        BulkOnlyTestHost.Exchange exchange = host.Run(Command(access), access.Expected, access.IsIn, data);
        bool inRange = access.FirstBlock + access.Count <= Blocks;
        uint wanted = inRange ? (uint)(access.Count * Block) : 0;
        bool directionsAgree = access.IsIn == !access.IsWrite;
        uint moved = wanted == 0 || access.Expected == 0 || !directionsAgree ? 0 : Math.Min(wanted, access.Expected);
        CommandStatus status =
            !inRange ? CommandStatus.Failed
            : wanted != 0 && (access.Expected == 0 || !directionsAgree || wanted > access.Expected) ? CommandStatus.PhaseError
            : CommandStatus.Passed;
        Assert.Equal((status, access.Expected - moved), (exchange.Status, exchange.Residue));
        if (access.IsIn)
            Assert.Equal(model.AsSpan((int)(moved == 0 ? 0 : access.FirstBlock) * Block, (int)moved).ToArray(), exchange.Data);
        else
            data.AsSpan(0, (int)moved / Block * Block).CopyTo(model.AsSpan((int)(moved == 0 ? 0 : access.FirstBlock) * Block));

        // A host that expects more than it gets must learn of the end: by a short packet, or by a stall.
        bool endsShort = access.IsIn && moved % Block != 0;
        Assert.Equal(access.Expected > moved && !endsShort, exchange.Stalled);
        if (exchange.Status == CommandStatus.PhaseError)
            host.Recover();
    }

    private static CommandBlock Command(Access access) => access.Form switch
    {
        6 => new CommandBlock6
        {
            Operation = access.IsWrite ? ScsiOperation.Write6 : ScsiOperation.Read6,
            LogicalBlock = access.FirstBlock,
            Length = (byte)access.Count,
        }.Block,
        10 => new CommandBlock10
        {
            Operation = access.IsWrite ? ScsiOperation.Write10 : ScsiOperation.Read10,
            LogicalBlock = access.FirstBlock,
            Length = (ushort)access.Count,
        }.Block,
        12 => new CommandBlock12
        {
            Operation = access.IsWrite ? ScsiOperation.Write12 : ScsiOperation.Read12,
            LogicalBlock = access.FirstBlock,
            Length = (uint)access.Count,
        }.Block,
        _ => new CommandBlock16
        {
            Operation = access.IsWrite ? ScsiOperation.Write16 : ScsiOperation.Read16,
            LogicalBlock = access.FirstBlock,
            Length = (uint)access.Count,
        }.Block,
    };

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++)
            bytes[index] = (byte)((index * 31) ^ (index >> 9));
        return bytes;
    }
}
