using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class UasTests
{
    private const int Block = 512;
    private const int Blocks = 64;

    private static readonly ScsiDiskOptions Quiet = new() { ReportsReset = false };

    public static TheoryData<UsbSpeed> Speeds => [UsbSpeed.High, UsbSpeed.Super];

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Any_sequence_of_commands_under_way_together_leaves_what_a_simple_disk_would_hold(UsbSpeed speed) => Property.Check(
        (from isWrite in ArbMap.Default.GeneratorFor<bool>()
         from first in Gen.Choose(0, Blocks + 1)
         from count in Gen.Choose(1, 6)
         select (isWrite, first, count)).NonEmptyListOf(),
        accesses =>
        {
            byte[] content = new byte[Blocks * Block];
            byte[] model = new byte[Blocks * Block];
            UasTestHost host = new(new UasDevice(new MemoryDiskImage(content, isWritable: true), Quiet, speed));

            // All commands of a round are sent before the data of any moves; without streams the disk says whose turn it is.
            foreach ((bool IsWrite, int First, int Count)[] round in accesses.Chunk(20))
            {
                for (int at = 0; at < round.Length; at++)
                    Assert.Equal(UsbPid.Ack, host.Send((ushort)(at + 1), Command(round[at].IsWrite, round[at].First, round[at].Count)));
                for (int at = 0; at < round.Length; at++)
                {
                    (bool isWrite, int first, int count) = round[at];
                    byte[]? data = isWrite ? [.. Enumerable.Repeat((byte)(at + 1), count * Block)] : null;
                    (ScsiStatus status, SenseData sense, byte[] read) = host.Complete((ushort)(at + 1), count * Block, data);
                    bool isThere = first + count <= Blocks;
                    Assert.Equal(isThere ? ScsiStatus.Good : ScsiStatus.CheckCondition, status);
                    Assert.Equal(isThere ? 0 : 0x21, sense.AdditionalCode);
                    if (isThere && isWrite)
                        data!.CopyTo(model, first * Block);
                    Assert.Equal(isThere && !isWrite ? model.AsSpan(first * Block, count * Block).ToArray() : [], read);
                }
            }

            Assert.Equal(model, content);
        });

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Random_units_never_change_a_protected_disk_and_an_interface_that_is_set_again_always_helps(UsbSpeed speed) => Property.Check(
        (from id in Gen.Frequency((4, Gen.Constant((byte)1)), (2, Gen.Constant((byte)5)), (1, Gen.Choose(0, 255).Select(value => (byte)value)))
         from tag in Gen.Choose(0, 40)
         from length in Gen.Frequency((3, Gen.Constant(32)), (2, Gen.Constant(16)), (1, Gen.Choose(0, 40)))
         from seed in ArbMap.Default.GeneratorFor<int>()
         from moves in Gen.Choose(0, 3)
         select (id, tag, length, seed, moves)).ListOf(),
        units =>
        {
            byte[] content = Pattern(Blocks * Block);
            UasTestHost host = new(new UasDevice(new MemoryDiskImage(content), Quiet, speed));
            foreach ((byte id, int tag, int length, int seed, int moves) in units)
            {
                byte[] bytes = new byte[Math.Max(length, 4)];
                new Random(seed).NextBytes(bytes);
                (bytes[0], bytes[2], bytes[3]) = (id, 0, (byte)tag);

                // Half of the commands are for the right unit, without more bytes, and known to the disk.
                if (id == 1 && length == 32 && (seed & 1) == 0)
                {
                    bytes.AsSpan(4, 12).Clear();
                    ScsiOperation[] known = Enum.GetValues<ScsiOperation>();
                    bytes[16] = (byte)known[(uint)seed % known.Length];
                }

                if (host.SendRaw(bytes.AsSpan(0, length)) == UsbPid.Stall)
                    host.Usb.ClearHalt(4, isIn: false);
                for (int move = 0; move < moves; move++)
                {
                    _ = host.Usb.In(3, 1024, host.MaxPacket, (ushort)tag);
                    _ = host.Usb.In(1, 1024, host.MaxPacket, (ushort)tag);
                    _ = host.Usb.Out(2, bytes, host.MaxPacket, (ushort)tag);
                }
            }

            Assert.True(host.Usb.SetInterface(0, 1));
            (ScsiStatus status, _, byte[] data) = host.Run(7, Command(isWrite: false, 1, 2), 2 * Block);
            Assert.Equal(ScsiStatus.Good, status);
            Assert.Equal(content[Block..(3 * Block)], data);
            Assert.Equal(Pattern(Blocks * Block), content);
        },
        count: 200);

    [Fact]
    public void Without_streams_a_unit_invites_each_transfer_and_the_old_transport_stays_the_first_setting()
    {
        UasDevice device = new(new MemoryDiskImage(Pattern(Blocks * Block), isWritable: true), Quiet);
        UasTestHost host = new(device);
        Assert.Equal(UsbPid.Nak, host.Read(1, Block).End);
        Assert.Equal(UsbPid.Ack, host.Send(5, Command(isWrite: false, 0, 1)));
        Assert.Equal(UsbPid.Ack, host.Send(6, Command(isWrite: true, 1, 1)));
        Assert.Equal(2, device.TasksInFlight);
        Assert.Equal((InformationUnitId.ReadReady, 5), Head(host.Next()));
        Assert.Null(host.Next());
        Assert.Equal(UsbPid.Nak, host.Write(6, new byte[Block]).End);
        Assert.Equal(Pattern(Block), host.Read(5, Block).Data);
        Assert.Equal((InformationUnitId.Sense, 5), Head(host.Next()));
        Assert.Equal((InformationUnitId.WriteReady, 6), Head(host.Next()));
        Assert.Equal((Block, UsbPid.Ack), host.Write(6, new byte[Block]));
        Assert.Equal((InformationUnitId.Sense, 6), Head(host.Next()));

        // The same disk by the old way: what was written is there.
        BulkOnlyTestHost old = new(device);
        Assert.Equal(new byte[Block], old.Run(Command(isWrite: false, 1, 1), Block, isIn: true).Data);
        static (InformationUnitId, int) Head(UasTestHost.Answer? answer) => (answer!.Id, answer.Tag);
    }

    [Fact]
    public void With_streams_data_and_status_come_on_the_stream_of_the_tag_alone()
    {
        UasTestHost host = new(new UasDevice(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet, UsbSpeed.Super));
        Assert.Equal(UsbPid.Ack, host.Send(3, Command(isWrite: false, 4, 2)));
        Assert.Equal(UsbPid.Ack, host.Send(4, Command(isWrite: false, 8, 2)));
        Assert.Null(host.Next(3));
        Assert.Equal(UsbPid.Nak, host.Read(4, 2 * Block).End);

        // A pipe with streams that is spoken to without one.
        Assert.Equal(UsbPid.Stall, host.Usb.In(1, 2 * Block, 1024).End);
        Assert.Equal(Pattern(Blocks * Block)[(4 * Block)..(6 * Block)], host.Read(3, 2 * Block).Data);
        Assert.Equal(Pattern(Blocks * Block)[(8 * Block)..(10 * Block)], host.Read(4, 2 * Block).Data);
        Assert.Equal(4, host.Next(4)!.Tag);
        Assert.Equal(3, host.Next(3)!.Tag);

        // A tag that has no stream, and bytes that are no unit, halt the pipe, since nobody could be told.
        Assert.Equal(UsbPid.Stall, host.Send(33, Command(isWrite: false, 0, 1)));
        Assert.Equal(UsbPid.Stall, host.Send(1, Command(isWrite: false, 0, 1)));
        host.Usb.ClearHalt(4, isIn: false);
        Assert.Equal(ScsiStatus.Good, host.Run(1, Command(isWrite: false, 0, 1), Block).Status);
        Assert.Equal(UsbPid.Stall, host.SendRaw(new byte[3]));
    }

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Data_arrives_once_although_acknowledgements_get_lost(UsbSpeed speed)
    {
        UasTestHost host = new(new UasDevice(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet, speed));
        int packets = 0;
        host.Usb.LosesAcknowledgement = length => length >= Block && packets++ % 3 == 0;
        Assert.Equal(Pattern(Blocks * Block)[..(8 * Block)], host.Run(1, Command(isWrite: false, 0, 8), 8 * Block).Data);
        Assert.True(packets > 5);
    }

    [Fact]
    public void Commands_are_aborted_counted_and_reset_by_task_management()
    {
        byte[] content = Pattern(Blocks * Block);
        UasDevice device = new(new MemoryDiskImage(content, isWritable: true), speed: UsbSpeed.Super);
        UasTestHost host = new(device);

        // The first command after power-on learns of the reset, with its sense data beside it.
        (ScsiStatus status, SenseData sense, _) = host.Run(1, new CommandBlock6 { Operation = ScsiOperation.TestUnitReady }.Block);
        Assert.Equal((ScsiStatus.CheckCondition, SenseKey.UnitAttention, 0x29), (status, sense.Key, sense.AdditionalCode));
        Assert.Equal(ScsiStatus.Good, host.Run(1, new CommandBlock6 { Operation = ScsiOperation.TestUnitReady }.Block).Status);

        for (ushort tag = 1; tag <= 4; tag++)
            Assert.Equal(UsbPid.Ack, host.Send(tag, Command(isWrite: true, tag, 1)));
        Assert.Equal(ResponseCode.Succeeded, Ask(TaskFunction.QueryTask, 3));
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.AbortTask, 3));
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.QueryTask, 3));
        Assert.Equal(3, device.TasksInFlight);

        // The one whose data is next goes too, and the one behind it takes its turn.
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.AbortTask, 1));
        Assert.Equal(UsbPid.Nak, host.Write(1, new byte[Block]).End);
        Assert.Equal(ScsiStatus.Good, host.Complete(2, data: new byte[Block]).Status);
        Assert.Equal(ResponseCode.Succeeded, Ask(TaskFunction.QueryTaskSet));
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.AbortTaskSet));
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.QueryTaskSet));
        Assert.Equal(ResponseCode.NotSupported, Ask((TaskFunction)0x40));
        Assert.Equal(UsbPid.Ack, host.Manage(20, TaskFunction.AbortTaskSet, unit: 1));
        Assert.Equal(ResponseCode.IncorrectLogicalUnit, host.Next(20)!.Code);
        Assert.Equal(ResponseCode.Complete, Ask(TaskFunction.LogicalUnitReset));
        Assert.Equal(ScsiStatus.CheckCondition, host.Run(2, Command(isWrite: false, 0, 1), Block).Status);

        // Nothing but the block of command 2 has changed.
        byte[] expected = Pattern(Blocks * Block);
        expected.AsSpan(2 * Block, Block).Clear();
        Assert.Equal(expected, content);

        ResponseCode Ask(TaskFunction function, ushort tag = 0)
        {
            Assert.Equal(UsbPid.Ack, host.Manage(20, function, tag));
            UasTestHost.Answer? answer = host.Next(20);
            Assert.Equal(InformationUnitId.Response, answer!.Id);
            return answer.Code;
        }
    }

    [Fact]
    public void Units_that_make_no_sense_are_answered_and_too_many_are_refused()
    {
        UasTestHost host = new(new UasDevice(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet));
        byte[] command = Packed.ToArray(
            new CommandUnit { Id = InformationUnitId.Command, Tag = 9, Command = Command(isWrite: false, 0, 1) }, CommandUnit.Size);
        Assert.Equal(UsbPid.Ack, host.SendRaw(command.AsSpan(0, 31)));
        Assert.Equal(ResponseCode.InvalidUnit, host.Next()!.Code);
        Assert.Equal(UsbPid.Ack, host.SendRaw([0x42, 0, 0, 9]));
        Assert.Equal(ResponseCode.InvalidUnit, host.Next()!.Code);
        Assert.Equal(UsbPid.Ack, host.Send(0, Command(isWrite: false, 0, 1)));
        Assert.Equal(ResponseCode.InvalidUnit, host.Next()!.Code);
        Assert.Equal(UsbPid.Ack, host.Send(9, Command(isWrite: false, 0, 1), unit: 1ul << 48));
        Assert.Equal((ScsiStatus.CheckCondition, 0x25), (host.Next() is { } other ? (other.Status, (int)other.Sense.AdditionalCode) : default));

        // Two commands with one tag: neither is done.
        Assert.Equal(UsbPid.Ack, host.Send(9, Command(isWrite: false, 0, 1)));
        Assert.Equal(UsbPid.Ack, host.Send(9, Command(isWrite: false, 0, 1)));
        Assert.Equal(ResponseCode.OverlappedTag, host.Next()!.Code);
        Assert.Equal(UsbPid.Nak, host.Read(9, Block).End);

        // The head of the queue goes before those that wait.
        Assert.Equal(UsbPid.Ack, host.Send(1, Command(isWrite: false, 0, 1)));
        Assert.Equal(UsbPid.Ack, host.Send(2, Command(isWrite: false, 1, 1)));
        Assert.Equal(UsbPid.Ack, host.Send(3, Command(isWrite: false, 2, 1), TaskAttribute.HeadOfQueue));
        foreach (ushort tag in (ushort[])[1, 3, 2])
            Assert.Equal(ScsiStatus.Good, host.Complete(tag, Block).Status);

        for (ushort tag = 1; tag <= 32; tag++)
            Assert.Equal(UsbPid.Ack, host.Send(tag, Command(isWrite: false, 0, 1)));
        Assert.Equal(UsbPid.Ack, host.Send(33, Command(isWrite: false, 0, 1)));
        Assert.Equal(InformationUnitId.ReadReady, host.Next()!.Id);
        Assert.Equal((33, ScsiStatus.TaskSetFull), host.Next() is { } full ? (full.Tag, full.Status) : default);

        // A host that never fetches an answer is held up, not forgotten.
        UsbPid end = UsbPid.Ack;
        for (int sent = 0; sent < 1000 && end == UsbPid.Ack; sent++)
            end = host.Manage(100, TaskFunction.QueryTaskSet);
        Assert.Equal(UsbPid.Nak, end);
    }

    [Fact]
    public void A_medium_that_fails_ends_the_command_with_sense_data_and_the_next_one_runs()
    {
        UasTestHost host = new(new UasDevice(new BadBlockImage(new MemoryDiskImage(Pattern(Blocks * Block), isWritable: true), badBlock: 5), Quiet, UsbSpeed.Super));
        Assert.Equal(UsbPid.Ack, host.Send(1, Command(isWrite: false, 2, 8)));
        Assert.Equal(UsbPid.Ack, host.Send(2, Command(isWrite: false, 6, 2)));
        Assert.Equal((2 * Block, UsbPid.Nak), host.Read(1, 8 * Block) is var read ? (read.Data.Length, read.End) : default);
        UasTestHost.Answer? answer = host.Next(1);
        Assert.Equal((ScsiStatus.CheckCondition, SenseKey.MediumError, 0x11), (answer!.Status, answer.Sense.Key, answer.Sense.AdditionalCode));
        Assert.Equal(ScsiStatus.Good, host.Complete(2, 2 * Block).Status);
    }

    [Fact]
    public void A_superspeed_disk_describes_itself_and_hears_what_a_superspeed_host_tells_it()
    {
        UasDevice device = new(new MemoryDiskImage(Pattern(Blocks * Block)), Quiet, UsbSpeed.Super);
        UsbTestHost host = new(device);
        DeviceDescriptor head = Packed.Read<DeviceDescriptor>(host.Descriptor(DescriptorType.Device));
        Assert.Equal((0x300, 9), (head.UsbVersion, head.MaxPacketSize0));
        byte[] store = host.Descriptor(DescriptorType.BinaryObjectStore)!;
        BinaryObjectStoreDescriptor capabilities = Packed.Read<BinaryObjectStoreDescriptor>(store);
        Assert.Equal((22, 2, 22), (capabilities.TotalLength, capabilities.CapabilityCount, store.Length));
        Assert.Null(host.Descriptor(DescriptorType.DeviceQualifier));
        byte[] configuration = host.Descriptor(DescriptorType.Configuration)!;
        Assert.Equal(9 + 9 + (2 * 13) + 9 + (4 * 17), configuration.Length);

        // Delays may be told before there is a configuration, link states only with one.
        SetupPacket latencies = new() { Request = (byte)StandardRequest.SetExitLatencies, Length = 6 };
        Assert.NotNull(host.Control(latencies, [1, 2, 3, 0, 4, 0]));
        Assert.Equal((1, 2, 3, 4), (device.ExitLatencies.U1System, device.ExitLatencies.U1Path, device.ExitLatencies.U2System, device.ExitLatencies.U2Path));
        Assert.Null(host.Control(latencies with { Length = 5 }, [1, 2, 3, 0, 4]));
        Assert.NotNull(host.Control(new() { Request = (byte)StandardRequest.SetIsochronousDelay, Value = 40 }));
        Assert.Equal(40, device.IsochronousDelayNs);
        SetupPacket enable = new() { Request = (byte)StandardRequest.SetFeature, Value = (ushort)FeatureSelector.U1Enable };
        Assert.Null(host.Control(enable));
        host.Configure();
        Assert.NotNull(host.Control(enable));
        Assert.Equal((true, false), device.LinkStatesEnabled);
        Assert.Equal([0b100, 0], host.Control(new() { In = true, Request = (byte)StandardRequest.GetStatus, Length = 2 })!);
        Assert.Null(host.Control(enable with { Value = (ushort)FeatureSelector.DeviceRemoteWakeup }));
        Assert.NotNull(host.Control(enable with { Request = (byte)StandardRequest.ClearFeature }));
        Assert.Equal((false, false), device.LinkStatesEnabled);

        // A reset forgets it all, and a high-speed device knows nothing of it.
        device.Reset();
        Assert.Equal((0, default), (device.IsochronousDelayNs, device.ExitLatencies));
        UsbTestHost old = new(new MassStorageDevice(new MemoryDiskImage(Pattern(Block))));
        old.Configure();
        Assert.Null(old.Control(enable));
        Assert.Null(old.Control(latencies, [1, 2, 3, 0, 4, 0]));
        Assert.Null(old.Descriptor(DescriptorType.BinaryObjectStore));
    }

    [Fact]
    public void A_bulk_only_disk_works_at_superspeed_and_tells_what_it_would_be_at_the_other_speed()
    {
        byte[] content = Pattern(Blocks * Block);
        BulkOnlyTestHost host = new(new MassStorageDevice(new MemoryDiskImage(content, isWritable: true), Quiet, UsbSpeed.Super)) { MaxPacket = 1024 };
        Assert.Equal(content[..(7 * Block)], host.Run(Command(isWrite: false, 0, 7), 7 * Block, isIn: true).Data);
        Assert.Equal(CommandStatus.Passed, host.Run(Command(isWrite: true, 1, 3), 3 * Block, isIn: false, new byte[3 * Block]).Status);
        Assert.Equal(new byte[3 * Block], content[Block..(4 * Block)]);

        UsbTestHost high = new(new MassStorageDevice(new MemoryDiskImage(content)));
        UsbTestHost full = new(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Full));
        byte[] other = high.Descriptor(DescriptorType.OtherSpeedConfiguration)!;
        Assert.Equal((byte)DescriptorType.OtherSpeedConfiguration, other[1]);
        other[1] = (byte)DescriptorType.Configuration;
        Assert.Equal(full.Descriptor(DescriptorType.Configuration), other);
        _ = Assert.Throws<ArgumentException>(() => new UasDevice(new MemoryDiskImage(content), speed: UsbSpeed.Full));
        _ = Assert.Throws<ArgumentException>(() => new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Low));
    }

    private static CommandBlock Command(bool isWrite, int first, int count) => new CommandBlock10
    {
        Operation = isWrite ? ScsiOperation.Write10 : ScsiOperation.Read10,
        LogicalBlock = (uint)first,
        Length = (ushort)count,
    }.Block;

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++)
            bytes[index] = (byte)((index * 31) ^ (index >> 9));
        return bytes;
    }
}
