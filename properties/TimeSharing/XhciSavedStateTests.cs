using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A controller that is saved while it works goes on where it was: nothing is stopped before, and nothing is rung after.</summary>
public sealed class XhciSavedStateTests
{
    private const int PacketBytes = 512;
    private static readonly Trb s_noOp = new(new SlotCommand { Type = TrbType.NoOpCommand }.Raw);

    [Fact]
    public void Transfers_commands_and_events_go_on_where_they_were_whenever_it_is_saved()
    {
        for (int afterNs = 0; afterNs < 200_000; afterNs += 7_300)
        {
            using XhciBench bench = new(new() { SlotCount = 4 });
            bench.Start();
            XhciTestDevice device = Counting(out Func<int> given);
            (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
            ulong buffer = bench.Take(24 * PacketBytes);
            ulong[] at = [.. Enumerable.Range(0, 3).Select(index => ring.Add(XhciTrbs.Normal(buffer + (ulong)(index * 8 * PacketBytes), 8 * PacketBytes)))];
            ulong command = bench.Commands.Add(s_noOp);
            bench.Doorbell(slot, 3);
            bench.Doorbell(0, 0);
            bench.Loop.RunFor((ulong)afterNs);
            List<Trb> before = bench.Drain();
            Swap(bench);
            bench.Run(true);
            bench.Loop.RunFor(2_000_000);
            Trb[] events = [.. before, .. bench.Drain()];
            Assert.Equal(at, XhciTrbs.Transfers(events).Select(static transfer => transfer.Pointer));
            Assert.All(XhciTrbs.Transfers(events), static transfer => Assert.Equal((CompletionCode.Success, 0), (transfer.Code, transfer.Residual)));
            Assert.Equal(command, Assert.Single(events, static trb => trb.Type == TrbType.CommandCompletion) is var done ? new CommandCompletionEvent(done.Raw).Pointer : 0);
            Assert.Equal(24, given());
            Assert.Equal(Enumerable.Range(0, 24).Select(static number => (byte)number), Enumerable.Range(0, 24).Select(number => bench.Read<byte>(buffer + (ulong)(number * PacketBytes))));
        }
    }

    [Fact]
    public void Events_that_had_no_room_and_the_interrupt_that_was_wanted_come_afterwards()
    {
        using XhciBench bench = new(new() { SlotCount = 4 });
        bench.Start(eventTrbs: 16);
        for (int count = 0; count < 40; count++)
            _ = bench.Commands.Add(s_noOp);
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(1_000_000);
        EventRingDequeue busy = new(new(bench.ReadRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Dequeue), 8)));
        Assert.True(busy.Busy);
        Swap(bench);
        Assert.True(new EventRingDequeue(new(bench.ReadRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Dequeue), 8))).Busy);
        Assert.True(bench.Status.EventInterrupt);
        bench.Run(true);
        for (int round = 0; round < 20; round++)
        {
            _ = bench.Drain();
            bench.Loop.RunFor(1_000_000);
        }

        Assert.Equal(40, bench.Events.Count(static trb => trb.Type == TrbType.CommandCompletion));
    }

    [Fact]
    public void Streams_that_waited_for_their_turns_have_them_afterwards()
    {
        using XhciBench bench = new(new() { SlotCount = 4 });
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Super };
        bool toggle = false;
        device.Gives = (_, _) => UsbReply.Data(toggle, 1024);
        device.Confirms = _ => toggle = !toggle;
        bench.Attach(device, 5);
        (int slot, _) = bench.Address(5);
        ulong array = bench.Take(16 * 4);
        XhciTestRing[] rings = [new(bench), new(bench), new(bench)];
        for (int stream = 1; stream <= 3; stream++)
            bench.Write(array + (ulong)(16 * stream), new StreamContext { Type = StreamContextType.PrimaryRing, Dequeue = rings[stream - 1].Start, CycleState = true });
        EndpointContext context = XhciBench.Endpoint(XhciEndpointType.BulkIn, 1024, array) with { StreamsMax = 1, LinearStreams = true, CycleState = false };
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (3, context)));
        ulong[] at = [.. rings.Select(ring => ring.Add(XhciTrbs.Normal(bench.Take(8192), 8192)))];
        for (int stream = 1; stream <= 3; stream++)
            bench.Doorbell(slot, 3, stream);
        bench.Loop.RunFor(5_000);
        Assert.Empty(XhciTrbs.Transfers(bench.Drain()));
        Swap(bench);
        bench.Run(true);
        bench.Loop.RunFor(2_000_000);
        Assert.Equal(at, XhciTrbs.Transfers(bench.Drain()).Where(static transfer => transfer.Code == CompletionCode.Success).Select(static transfer => transfer.Pointer));
    }

    [Fact]
    public void Another_event_ring_or_command_ring_that_software_gave_since_is_not_touched()
    {
        using XhciBench bench = new(new() { SlotCount = 4 });
        bench.Start();
        Assert.Equal(CompletionCode.Success, bench.Command(s_noOp).Code);
        bench.Run(false);
        Assert.True(Move(bench, saves: true));
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
        bench.WriteRegister(XhciOperationalOffsets.ContextArray, XhciBench.ContextArray, 8);
        bench.GiveEventRing(0);
        (ulong next, bool cycle) = bench.Commands.Enqueue;
        bench.WriteRegister(XhciOperationalOffsets.CommandRing, next | (cycle ? 1ul : 0), 8);
        Assert.True(Move(bench, saves: false));
        bench.Run(true);
        Assert.Equal(CompletionCode.Success, bench.Command(s_noOp).Code);
    }

    private static XhciTestDevice Counting(out Func<int> given)
    {
        int count = 0;
        XhciTestDevice device = new();
        device.Gives = (_, packet) =>
        {
            packet.Span[0] = (byte)count;
            return UsbReply.Data((count & 1) != 0, PacketBytes);
        };
        device.Confirms = _ => count++;
        given = () => count;
        return device;
    }

    // As a host does between two VMs, but for the ports: save, reset, event ring registers, restore.
    private static void Swap(XhciBench bench)
    {
        ulong Read(int register, int width) => bench.ReadRuntime(XhciBench.Interrupter(0, register), width);
        ulong[] registers =
        [
            Read(XhciRuntimeOffsets.Moderation, 4),
            Read(XhciRuntimeOffsets.Management, 4),
            Read(XhciRuntimeOffsets.TableSize, 4),
            Read(XhciRuntimeOffsets.Dequeue, 8),
            Read(XhciRuntimeOffsets.TableBase, 8),
        ];
        bench.Run(false);
        Assert.True(Move(bench, saves: true));
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { LightReset = true }.Raw.Value);
        bench.WriteRegister(XhciOperationalOffsets.ContextArray, XhciBench.ContextArray, 8);
        bench.WriteRegister(XhciOperationalOffsets.Configure, 4);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Moderation), registers[0] & 0xFFFF);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Management), registers[1] & 2);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.TableSize), registers[2]);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Dequeue), registers[3] & ~8ul, 8);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.TableBase), registers[4], 8);
        Assert.True(Move(bench, saves: false));
    }

    private static bool Move(XhciBench bench, bool saves)
    {
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { SaveState = saves, RestoreState = !saves }.Raw.Value);
        bench.Loop.RunFor(20_000);
        return bench.Status is { Saving: false, Restoring: false, SaveRestoreError: false };
    }
}
