using System.Runtime.InteropServices;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Everything at once, for a long time.</summary>
public sealed class EhciSteadyTests
{
    private const int Warm = 10;
    private const int Measured = 200;
    private const int Stretches = 20;

    // Endpoints of the high-speed device at 1 and the full-speed device at 9.
    private const int StreamIn = 1;
    private const int StreamOut = 2;
    private const int Interrupt = 3;
    private const int BulkIn = 4;
    private const int BulkOut = 5;

    private readonly int[] _high = new int[8];
    private readonly int[] _slow = new int[8];

    [Fact]
    public void Streams_interrupts_bulk_and_splits_together_allocate_nothing()
    {
        using SplitBench split = new(hub: new() { PortCount = 2 });
        EhciBench bench = split.Bench;
        bench.Controller.Usb.Ports[1].Plug(Device(bench, 1, UsbSpeed.High, _high));
        bench.ResetPort(2);
        split.Attach(Device(bench, 9, UsbSpeed.Full, _slow));

        // Frame by frame: a stream each way at both speeds; behind them the interrupt queues of both devices.
        uint slow = Queue(split, SplitBench.Queue(9, Interrupt, 8, EndpointSpeed.Full, start: 0b1, complete: 0b1_1100), new() { Terminate = true });
        uint fast = Queue(split, SplitBench.Queue(1, Interrupt, 16, EndpointSpeed.High, start: 0b0001_0001), new() { Type = LinkType.QueueHead, Address = slow });
        for (uint frame = 0; frame <= Warm + Measured; frame++)
        {
            LinkPointer link = new() { Type = LinkType.QueueHead, Address = fast };
            foreach (bool isIn in (bool[])[true, false])
            {
                uint at = split.Stream(bench.Take(512), 150, isIn, start: 0b10, complete: isIn ? (byte)0b11_1000 : (byte)0, endpoint: isIn ? StreamIn : StreamOut);
                bench.Write(at, bench.Read<SplitIsochronousTransferDescriptor>(at) with { Next = link });
                link = new() { Type = LinkType.IsochronousTransfer, Address = Stream(bench, isIn, new() { Type = LinkType.SplitIsochronousTransfer, Address = at }) };
            }

            split.Link(frame, link);
        }

        uint[] bulk = [Chain(split, BulkIn, PacketId.In), Chain(split, BulkOut, PacketId.Out)];
        uint slowBulk = Chain(split, BulkIn, PacketId.In, isSplit: true);
        Ring(bench, [.. bulk, slowBulk]);
        split.Run(bulk[0]);
        split.RunTo(8 * Warm);
        (int[] high, int[] behind) = ([.. _high], [.. _slow]);
        Allocation.CheckNone(Stretches, stretch => split.RunTo((ulong)(8 * (Warm + ((stretch + 1) * Measured / Stretches)))));

        // All of it went on: streams in each microframe or frame, interrupts where their masks say, and bulk in what was left.
        Assert.Equal(8 * Measured, _high[StreamIn] - high[StreamIn]);
        Assert.Equal(8 * Measured, _high[StreamOut] - high[StreamOut]);
        Assert.Equal(2 * Measured, _high[Interrupt] - high[Interrupt]);
        Assert.Equal(Measured, _slow[StreamIn] - behind[StreamIn]);
        Assert.Equal(Measured, _slow[StreamOut] - behind[StreamOut]);
        Assert.Equal(Measured, _slow[Interrupt] - behind[Interrupt]);
        Assert.True(_high[BulkIn] - high[BulkIn] > 8 * Measured && _high[BulkOut] - high[BulkOut] > 8 * Measured);
        Assert.True(_slow[BulkIn] - behind[BulkIn] > 3 * Measured, $"{_slow[BulkIn] - behind[BulkIn]}");
        Assert.False(bench.Status.ErrorInterrupt);
    }

    [Fact]
    public void Reads_and_writes_in_turn_allocate_nothing()
    {
        const int Microframes = 300;
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        int taken = 0;
        device.Gives = (_, _) => UsbReply.Data((device.Acknowledged & 1) != 0, 512);
        device.Takes = (_, _) => taken++ % 16 == 15 ? UsbReply.Nyet : UsbReply.Ack;
        device.Heard.EnsureCapacity(1 << 16);
        bench.Attach(device);

        // Reads and writes in turn, with as many packets as fit into each microframe.
        uint[] queues = [bench.Take(128), bench.Take(128)];
        uint[] last = new uint[2];
        foreach ((int index, PacketId pid) in ((int, PacketId)[])[(0, PacketId.In), (1, PacketId.Out)])
        {
            bench.Write(queues[index], EhciBench.Queue(1, index + 1, 512, queues[1 - index], isHead: index == 0, nakReload: 0));
            bench.Start(queues[index], bench.Chain(pid, 120, out last[index]));
        }

        bench.RunAsync(queues[0]);
        bench.Loop.RunFor(10 * SplitBench.MicroframeNs);
        (int heard, int given, int accepted) = (device.Heard.Count, device.Acknowledged, taken);
        Allocation.CheckNone(Stretches, _ => bench.Loop.RunFor(Microframes / Stretches * SplitBench.MicroframeNs));
        Assert.True(device.Heard.Count - heard > 8 * Microframes, $"{device.Heard.Count - heard} packets");
        Assert.True(device.Acknowledged - given > 3 * Microframes && taken - accepted > 3 * Microframes);
        Assert.All(last, transfer => Assert.True(bench.Read<TransferDescriptor>(transfer).Token.Active));
    }

    private static ScriptedDevice Device(EhciBench bench, byte address, UsbSpeed speed, int[] turns)
    {
        ScriptedDevice device = new() { Address = address, Speed = speed };
        device.Heard.EnsureCapacity(1 << 16);
        device.Takes = (token, _) =>
        {
            turns[token.Endpoint]++;
            return token.Endpoint == StreamOut ? UsbReply.Silence : UsbReply.Ack;
        };
        device.Gives = (token, _) =>
        {
            int turn = turns[token.Endpoint]++;
            int bytes = token.Endpoint switch
            {
                StreamIn => speed == UsbSpeed.High ? 200 : 150,
                Interrupt => speed == UsbSpeed.High ? 16 : 8,
                _ => speed == UsbSpeed.High ? 512 : 64,
            };
            return UsbReply.Data(token.Endpoint != StreamIn && (turn & 1) != 0, bytes);
        };
        return device;
    }

    private static uint Queue(SplitBench split, QueueHead head, LinkPointer next) =>
        split.Interrupt(head with { Horizontal = next }, PacketId.In, 0x4000).Queue;

    private static uint Chain(SplitBench split, int endpoint, PacketId pid, bool isSplit = false)
    {
        EhciBench bench = split.Bench;
        uint queue = bench.Take(128);
        bench.Write(queue, isSplit ? SplitBench.Queue(9, endpoint, 64, EndpointSpeed.Full) : EhciBench.Queue(1, endpoint, 512, queue, isHead: false, nakReload: 0));
        bench.Start(queue, bench.Chain(pid, 80, out _));
        return queue;
    }

    private static void Ring(EhciBench bench, uint[] queues)
    {
        for (int index = 0; index < queues.Length; index++)
        {
            QueueHead head = bench.Read<QueueHead>(queues[index]);
            bench.Write(queues[index], head with
            {
                Horizontal = new() { Type = LinkType.QueueHead, Address = queues[(index + 1) % queues.Length] },
                Characteristics = head.Characteristics with { ReclamationHead = index == 0 },
            });
        }
    }

    private static uint Stream(EhciBench bench, bool isIn, LinkPointer next)
    {
        uint at = bench.Take(128);
        uint buffer = bench.Take(0x1000, 4096);
        Span<uint> words = stackalloc uint[IsochronousTransferDescriptor.Size64 / 4];
        words[0] = next.Raw.Value;
        for (int slot = 1; slot <= 8; slot++)
            words[slot] = new IsochronousSlot { Active = true, Length = 200, Offset = 200 * slot }.Raw.Value;
        words[9] = buffer | 1 | ((isIn ? StreamIn : (uint)StreamOut) << 8);
        words[10] = 200 | (isIn ? 1u << 11 : 0);
        words[11] = 1;
        bench.WriteBytes(at, MemoryMarshal.AsBytes(words));
        return at;
    }
}
