using System.Diagnostics;
using System.Runtime.InteropServices;
using Dma.Devices;
using Dma.Lab;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>The vfio-user server on a real socket, and clients that stall, vanish, lie or send nonsense: each costs its own connection and no more.</summary>
public sealed class VfioUserServerTests
{
    private const uint Configuration = 7;
    private static readonly VfioUserPatience s_short = new(TimeSpan.FromMilliseconds(300), TimeSpan.FromMilliseconds(50));

    [Fact]
    public void Messages_are_on_the_socket_byte_for_byte_as_the_specification_has_them()
    {
        using VfioUserRun run = Serve();
        using VfioUserWire wire = VfioUserWire.Open(run.Path);
        wire.Send([0x34, 0x12, 1, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}', 0]);
        Assert.Equal("341201002800000001000000000000000000000" + "0" + Convert.ToHexString("{\"capabilities\":{}}\0"u8), ReadHex(wire, 40));

        // Four bytes of configuration space: vendor and device of edu.
        wire.Send(Convert.FromHexString("01000900200000000000000000000000" + "00000000000000000700000004000000"));
        Assert.Equal("01000900240000000100000000000000" + "00000000000000000700000004000000" + "3412E811", ReadHex(wire, 36));

        // An offset that is not there: a header with the error bit and EINVAL.
        wire.Send(Convert.FromHexString("02000900200000000000000000000000" + "00100000000000000700000004000000"));
        Assert.Equal("02000900100000002100000016000000", ReadHex(wire, 16));
    }

    [Fact]
    public void Nobody_gets_a_reply_who_wants_none_and_order_is_kept()
    {
        using VfioUserRun run = Serve();
        using VfioUserWire wire = VfioUserWire.Connect(run.Path);
        byte[] write = VfioUserBench.Bytes(new RegionAccess(PciOffset.InterruptLine, Configuration, 1), 0x5A);
        byte[] wrong = VfioUserBench.Bytes(new RegionAccess(1 << 20, Configuration, 1), 0x5A);
        wire.Send([
            .. VfioUserWire.Message(1, VfioUserCommand.RegionWrite, write, MessageFlags.NoReply),
            .. VfioUserWire.Message(2, VfioUserCommand.RegionWrite, wrong, MessageFlags.NoReply),
            .. VfioUserWire.Message(3, (VfioUserCommand)99, [], MessageFlags.NoReply),
            .. VfioUserWire.Message(4, VfioUserCommand.RegionRead, VfioUserBench.Bytes(new RegionAccess(PciOffset.InterruptLine, Configuration, 1)))]);
        (MessageHeader header, byte[] payload) = wire.ReceiveOne()!.Value;
        Assert.Equal((4, MessageFlags.Reply, 0x5A), (header.Id, header.Flags, payload[16]));
    }

    [Fact]
    public void A_message_may_come_in_pieces_and_its_descriptors_with_any_of_them()
    {
        using VfioUserRun run = Serve();
        using VfioUserWire wire = VfioUserWire.Connect(run.Path);
        using SafeFileHandle memory = UnixDescriptors.CreateMemory(1 << 20, isSealed: true);
        byte[] map = VfioUserWire.Message(7, VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(32, 3, 0, 0, 1 << 20)));
        wire.Send(map.AsSpan(..20));
        Thread.Sleep(20);
        wire.Send(map.AsSpan(20..), memory);
        Assert.Equal(ErrorNumber.None, wire.ReceiveOne()!.Value.Header.Error);
        wire.Send([.. map, .. map], memory);
        Assert.Equal(ErrorNumber.Exists, wire.ReceiveOne()!.Value.Header.Error);
        Assert.Equal(ErrorNumber.Exists, wire.ReceiveOne()!.Value.Header.Error);
    }

    [Fact]
    public void Clients_come_one_after_another_and_who_is_too_early_waits()
    {
        using VfioUserRun run = Serve();
        using VfioUserWire first = VfioUserWire.Connect(run.Path);
        first.Write(Configuration, PciOffset.InterruptLine, 1, 7);
        using VfioUserWire second = VfioUserWire.Open(run.Path);
        second.Send(VfioUserWire.Message(1, VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 1))));
        Assert.Equal(7u, first.Read(Configuration, PciOffset.InterruptLine, 1));
        Assert.False(second.Socket.Poll(100_000, System.Net.Sockets.SelectMode.SelectRead));
        first.Dispose();
        Assert.Equal(ErrorNumber.None, second.ReceiveOne()!.Value.Header.Error);
        Assert.Equal(0u, second.Read(Configuration, PciOffset.InterruptLine, 1));
        run.WaitFor("client 1 left: it went away;");
    }

    [Theory]
    [InlineData("0100090008000000000000000000000000", "it sent a message of 8 bytes")]
    [InlineData("0100090021001000000000000000000000", "it sent a message of 1048609 bytes")]
    [InlineData("01000900FFFFFFFF000000000000000000", "it sent a message of 4294967295 bytes")]
    [InlineData("0100090020000000020000000000000000", "neither a command nor a reply")]
    [InlineData("01000B0010000000010000000000000000", "a reply that nobody waits for")]
    public void A_header_that_makes_no_sense_ends_the_connection_and_the_next_client_is_served(string sent, string reason)
    {
        using VfioUserRun run = Serve();
        using VfioUserWire bad = VfioUserWire.Connect(run.Path);
        bad.Send(Convert.FromHexString(sent));
        Assert.True(bad.IsClosed());
        run.WaitFor(reason);
        AssertServes(run);
    }

    [Fact]
    public void Who_does_not_begin_with_a_version_that_fits_is_told_so_and_left()
    {
        using VfioUserRun run = Serve();
        foreach (byte[] message in (byte[][])[
            VfioUserWire.Message(1, VfioUserCommand.DeviceReset, []),
            VfioUserWire.Message(1, VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(1, 0))),
            VfioUserWire.Message(1, VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 0), 1))])
        {
            using VfioUserWire wire = VfioUserWire.Open(run.Path);
            wire.Send(message);
            Assert.Equal(ErrorNumber.Invalid, wire.ReceiveOne()!.Value.Header.Error);
            Assert.True(wire.IsClosed());
        }

        AssertServes(run);
    }

    [Fact]
    public void Who_sends_more_descriptors_than_a_message_may_bring_is_left()
    {
        using VfioUserRun run = Serve();
        using SafeFileHandle known = UnixDescriptors.CreateEvent();
        using (VfioUserWire wire = VfioUserWire.Connect(run.Path))
        {
            Assert.Equal(ErrorNumber.Invalid, wire.Ask(VfioUserCommand.DeviceReset, [], known, known).Header.Error);
            wire.Send(VfioUserWire.Message(1, VfioUserCommand.DeviceReset, []), [.. Enumerable.Repeat<SafeHandle>(known, 17)]);
            Assert.True(wire.IsClosed());
        }

        run.WaitFor("more descriptors than a message may bring");
        AssertServes(run);
    }

    [Fact]
    public void Who_is_silent_in_the_middle_of_something_is_left()
    {
        using VfioUserRun run = Serve(s_short);
        using (VfioUserWire silent = VfioUserWire.Open(run.Path))
            Assert.True(silent.IsClosed());
        using (VfioUserWire stalled = VfioUserWire.Connect(run.Path))
        {
            // Between messages a client may be silent for as long as it likes.
            Thread.Sleep(600);
            Assert.Equal(0x11E8_1234u, stalled.Read(Configuration, 0, 4));
            stalled.Send([1, 0, 9]);
            Assert.True(stalled.IsClosed());
        }

        using (VfioUserWire greedy = VfioUserWire.Connect(run.Path))
        {
            byte[] read = VfioUserWire.Message(1, VfioUserCommand.RegionRead, VfioUserBench.Bytes(new RegionAccess(0, Configuration, 256)));
            Assert.ThrowsAny<IOException>(() =>
            {
                for (int count = 0; count < 10_000_000; count++)
                    greedy.Send(read);
            });
        }

        run.WaitFor("client 1 left: it stalled");
        run.WaitFor("client 2 left: it stalled");
        run.WaitFor("client 3 left: it did not take its answers");
        AssertServes(run);
    }

    [Fact]
    public void Who_does_not_answer_accesses_to_its_memory_loses_them_and_then_its_connection()
    {
        using VfioUserRun run = Serve(s_short, transferNs: 1_000_000);
        using (VfioUserWire wire = VfioUserWire.Connect(run.Path))
        {
            _ = wire.Do(VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(32, 3, 0, 0, 1 << 20)));
            StartTransfer(wire);
            SpinWait.SpinUntil(() => wire.Accesses == 1 | !Answers(wire), TimeSpan.FromSeconds(10));

            // The access is over, and the client may go on.
            Assert.Equal(1, wire.Accesses);
            Assert.Equal(0x11E8_1234u, wire.Read(Configuration, 0, 4));
        }

        // One that refuses goes on for ever.
        using (PhysicalMemory memory = new(1 << 20))
        using (VfioUserWire wire = VfioUserWire.Connect(run.Path))
        {
            wire.Memory = memory;
            wire.RefusesAccesses = true;
            _ = wire.Do(VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(32, 3, 0, 0, 1 << 20)));
            for (int transfer = 1; transfer < 20; transfer++)
            {
                StartTransfer(wire);
                Assert.True(SpinWait.SpinUntil(() => wire.Accesses == transfer | !Answers(wire), TimeSpan.FromSeconds(10)));
            }
        }

        using (VfioUserWire wire = VfioUserWire.Connect(run.Path))
        {
            _ = wire.Do(VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(32, 3, 0, 0, 1 << 20)));
            Assert.ThrowsAny<IOException>(() =>
            {
                for (int transfer = 0; transfer < 1000; transfer++)
                    StartTransfer(wire);
            });
            Assert.InRange(wire.Accesses, 1, 9);
        }

        run.WaitFor("client 3 left: it does not answer accesses to its memory");
        AssertServes(run);
    }

    [Fact]
    public void A_read_of_a_register_is_answered_while_the_server_waits_for_memory()
    {
        using VfioUserRun run = Serve(new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10)), transferNs: 1_000_000);
        using PhysicalMemory memory = new(1 << 20);
        using VfioUserWire wire = VfioUserWire.Connect(run.Path);
        _ = wire.Do(VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(32, 3, 0, 0, 1 << 20)));
        StartTransfer(wire);
        (MessageHeader asked, byte[] access) = wire.ReceiveOne()!.Value;
        Assert.Equal((VfioUserCommand.DmaRead, new DmaAccess(0x1000, 16)), (asked.Command, MemoryMarshal.Read<DmaAccess>(access)));

        // A read comes through; a write waits, and so does a read behind it.
        Assert.Equal(0x11E8_1234u, wire.Read(Configuration, 0, 4));
        wire.Send([
            .. VfioUserWire.Message(1, VfioUserCommand.RegionWrite, VfioUserBench.Bytes(new RegionAccess(PciOffset.InterruptLine, Configuration, 1), 9)),
            .. VfioUserWire.Message(2, VfioUserCommand.RegionRead, VfioUserBench.Bytes(new RegionAccess(PciOffset.InterruptLine, Configuration, 1)))]);
        Assert.False(wire.Socket.Poll(100_000, System.Net.Sockets.SelectMode.SelectRead));
        wire.Send(VfioUserBench.Bytes(new MessageHeader(asked.Id, asked.Command, 48, MessageFlags.Reply, 0), [.. access, .. new byte[16]]));
        Assert.Equal(1, wire.ReceiveOne()!.Value.Header.Id);
        Assert.Equal(9, wire.ReceiveOne()!.Value.Payload[16]);
    }

    [Fact]
    public void Whatever_bytes_clients_send_the_next_one_is_served() =>
        Property.Check(
            VfioUserMessages.Streams,
            static stream =>
            {
                using VfioUserRun run = Serve(s_short);
                using (VfioUserWire wire = VfioUserWire.Connect(run.Path))
                {
                    try
                    {
                        foreach (byte[] message in stream)
                            wire.Send(message);
                        wire.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
                        Assert.True(wire.IsClosed());
                    }
                    catch (IOException)
                    {
                        // Closed while the rest was on its way.
                    }
                }

                AssertServes(run);
            },
            count: 15);

    private static VfioUserRun Serve(VfioUserPatience? patience = null, ulong transferNs = 100_000_000) =>
        new(loop => new EduDevice(loop, new() { TransferNs = transferNs }), patience: patience);

    private static void AssertServes(VfioUserRun run)
    {
        using VfioUserWire next = VfioUserWire.Connect(run.Path);
        Assert.Equal(0x11E8_1234u, next.Read(Configuration, 0, 4));
        Assert.Equal(0u, next.Read(Configuration, PciOffset.InterruptLine, 1));
    }

    private static bool Answers(VfioUserWire wire) => wire.Read(0, 0x98, 4) != 0;

    // Lets edu fetch 16 bytes from 1000h.
    private static void StartTransfer(VfioUserWire wire)
    {
        wire.Write(Configuration, PciOffset.Command, 2, 6);
        foreach ((ulong register, uint value) in ((ulong, uint)[])[(0x80, 0x1000), (0x88, 0x40000), (0x90, 16), (0x98, 1)])
            wire.Write(0, register, 4, value);
    }

    private static string ReadHex(VfioUserWire wire, int count)
    {
        byte[] bytes = new byte[count];
        Stopwatch watch = Stopwatch.StartNew();
        for (int done = 0; done < count && watch.Elapsed < TimeSpan.FromSeconds(30);)
            done += wire.Socket.Receive(bytes.AsSpan(done));
        return Convert.ToHexString(bytes);
    }
}
