using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What a register set does with the device at its port: real packets, without end.</summary>
/// <param name="Async">Its bulk queues.</param>
/// <param name="Periodic">Its interrupt queues, all IN.</param>
/// <param name="Mask">In which microframes those are due.</param>
internal sealed record PacketLoad(PacketQueue[] Async, PacketQueue[] Periodic, byte Mask = 0xFF)
{
    private const byte DeviceAddress = 1;
    private const uint QueuesAt = 0x1_0000;
    private const uint BufferAt = 0x3_0000;
    private const uint FrameListAt = 0x4_0000;
    private const uint TransfersAt = 0x5_0000;
    private const uint Spacing = 0x80;
    private const uint TransferBytes = 0x40;

    // More than there are packets in a microframe: what was done is made ready again once in each.
    private const int Transfers = 160;

    /// <summary>Whether it has a bulk transaction to do at all times.</summary>
    public bool IsBacklogged => Array.Exists(Async, static queue => queue.IsGreedy);

    /// <summary>Queues that a visit may find without a transaction to do.</summary>
    public int Lazy => Async.Count(static queue => !queue.IsGreedy);

    /// <summary>Gives each set a device, lets its driver find it under the same address as all others, and starts all loads.</summary>
    public static void Start(SharedBench bench, PacketLoad[] loads)
    {
        AnsweringDevice[] devices = [.. loads.Select(_ => new AnsweringDevice())];
        bench.Loop.Run(() => Task.WhenAll(devices.Select((device, set) => Enumerate(bench, set, device))));
        for (int set = 0; set < loads.Length; set++)
            loads[set].Build(bench, set, devices[set]);
        bench.Uses.Clear();
        Refill(bench, loads, new int[loads.Length, AnsweringDevice.BulkCount + AnsweringDevice.InterruptCount]);
    }

    public override string ToString() => $"[{string.Join("; ", (object[])Async)}] + {Mask:X2} [{string.Join("; ", (object[])Periodic)}]";

    private static async Task Enumerate(SharedBench bench, int set, AnsweringDevice device)
    {
        bench.Controller.Usb.Ports[set].Plug(device);
        ScheduleGuest guest = new(bench, set);
        guest.Start();
        Assert.Equal("enabled", await guest.ResetPort());
        Assert.Equal("done", await guest.SetAddress(DeviceAddress));
        Assert.Equal("done", await guest.Configure(DeviceAddress));
        guest.Stop();
        while (bench.Status(set).AsyncActive)
            await bench.Loop.Delay(SharedBench.MicroframeNs);
    }

    // Transfers come to their ends in order, and are made active again in that order; those of a queue that halted stay.
    private static void Refill(SharedBench bench, PacketLoad[] loads, int[,] next)
    {
        for (int set = 0; set < loads.Length; set++)
        {
            for (int index = 0; index < loads[set].Async.Length + loads[set].Periodic.Length; index++)
            {
                PacketQueue queue = loads[set].Queue(index);
                for (int count = 0; count < Transfers; count++)
                {
                    uint at = TransferOf(SharedBench.BaseOf(set), index, next[set, index]) + TransferDescriptor.TokenOffset;
                    if (bench.Read<TransferToken>(at) is not { Active: false, Halted: false })
                        break;
                    bench.Write(at, TokenOf(queue));
                    next[set, index] = (next[set, index] + 1) % Transfers;
                }
            }
        }

        bench.Loop.Schedule(SharedBench.MicroframeNs, () => Refill(bench, loads, next));
    }

    private static uint QueueOf(uint home, int index) => home + QueuesAt + (Spacing * (uint)index);

    private static uint TransferOf(uint home, int index, int number) => home + TransfersAt + (TransferBytes * (uint)((index * Transfers) + number));

    private static TransferToken TokenOf(PacketQueue queue) =>
        new() { Active = true, PacketId = queue.IsIn ? PacketId.In : PacketId.Out, ErrorCount = 0, TotalBytes = queue.Bytes };

    private PacketQueue Queue(int index) => index < Async.Length ? Async[index] : Periodic[index - Async.Length];

    private void Build(SharedBench bench, int set, AnsweringDevice device)
    {
        uint home = SharedBench.BaseOf(set);
        LinkPointer end = new() { Terminate = true };
        int count = Async.Length + Periodic.Length;
        for (int index = 0; index < count; index++)
        {
            bool isPeriodic = index >= Async.Length;
            int next = isPeriodic ? index + 1 : (index + 1) % Async.Length;
            LinkPointer link = next == count && isPeriodic ? end : new() { Type = LinkType.QueueHead, Address = QueueOf(home, next) };
            BuildQueue(bench, device, home, index, link);
        }

        LinkPointer first = Periodic.Length == 0 ? end : new() { Type = LinkType.QueueHead, Address = QueueOf(home, Async.Length) };
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(home + FrameListAt + (4 * frame), first);
        bench.Register(set, EhciOperationalOffsets.PeriodicListBase, home + FrameListAt);
        bench.Register(set, EhciOperationalOffsets.AsyncListAddress, QueueOf(home, 0));
        UsbCommand command = new() { Run = true, AsyncEnable = Async.Length != 0, PeriodicEnable = true, InterruptThreshold = 1 };
        bench.Register(set, EhciOperationalOffsets.UsbCommand, command.Raw.Value);
    }

    private void BuildQueue(SharedBench bench, AnsweringDevice device, uint home, int index, LinkPointer link)
    {
        PacketQueue queue = Queue(index);
        bool isPeriodic = index >= Async.Length;
        int endpoint = isPeriodic ? 1 + AnsweringDevice.BulkCount + index - Async.Length : 1 + index;
        device.Script((queue.IsIn ? 0x80 : 0) | endpoint, [.. queue.Script.Select(answer => answer with { Bytes = Math.Min(answer.Bytes, queue.Bytes) })]);
        for (int number = 0; number < Transfers; number++)
        {
            bench.Write(TransferOf(home, index, number), new TransferDescriptor
            {
                Next = new() { Address = TransferOf(home, index, (number + 1) % Transfers) },
                AlternateNext = new() { Terminate = true },
                Token = TokenOf(queue),
                Page0 = new(new(home + BufferAt)),
            });
        }

        QueueHead head = EhciBench.Queue(DeviceAddress, endpoint, 512, 0, isHead: index == 0 && !isPeriodic, nakReload: queue.NakReload);
        bench.Write(QueueOf(home, index), head with
        {
            Horizontal = link,
            Capabilities = head.Capabilities with { StartMask = isPeriodic ? Mask : (byte)0 },
            Overlay = head.Overlay with { Next = new() { Address = TransferOf(home, index, 0) } },
        });
    }
}
