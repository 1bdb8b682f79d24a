using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Work for a register set that never ends: packets to nobody, which the controller repeats for ever since no error is counted; SETUP packets, after which no PING is tried.</summary>
/// <param name="Async">Bytes in the packets of each bulk queue.</param>
/// <param name="Idle">Bulk queues without work.</param>
/// <param name="Periodic">Bytes in the packets of each interrupt queue.</param>
/// <param name="Mask">In which microframes of a frame interrupt queues are due.</param>
internal sealed record SetLoad(int[] Async, int Idle, int[] Periodic, byte Mask)
{
    private const uint QueuesAt = 0x1_0000;
    private const uint TransfersAt = 0x2_0000;
    private const uint BufferAt = 0x3_0000;
    private const uint FrameListAt = 0x4_0000;
    private const uint Spacing = 0x80;
    private const int Nobody = 99;

    /// <summary>Whether one of the bulk queues says that it is the head.</summary>
    public bool HasHead { get; init; } = true;

    /// <summary>Builds both lists and starts the set.</summary>
    public void Start(IScheduleHost host, int set)
    {
        uint home = host.BaseOf(set);
        int count = Math.Max(Async.Length + Idle, 1);
        for (int index = 0; index < count; index++)
        {
            uint next = home + QueuesAt + (Spacing * (uint)((index + 1) % count));
            Queue(host, home, index, index < Async.Length ? Async[index] : null, new() { Type = LinkType.QueueHead, Address = next }, isHead: HasHead && index == 0, mask: 0);
        }

        for (int index = 0; index < Periodic.Length; index++)
        {
            LinkPointer next = index + 1 < Periodic.Length
                ? new() { Type = LinkType.QueueHead, Address = home + QueuesAt + (Spacing * (uint)(count + index + 1)) }
                : new() { Terminate = true };
            Queue(host, home, count + index, Periodic[index], next, isHead: false, Mask);
        }

        for (uint frame = 0; frame < 1024; frame++)
        {
            host.Write(home + FrameListAt + (4 * frame), Periodic.Length == 0
                ? new LinkPointer { Terminate = true }
                : new LinkPointer { Type = LinkType.QueueHead, Address = home + QueuesAt + (Spacing * (uint)count) });
        }

        host.Register(set, EhciOperationalOffsets.PeriodicListBase, home + FrameListAt);
        host.Register(set, EhciOperationalOffsets.AsyncListAddress, home + QueuesAt);
        host.Register(set, EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true, PeriodicEnable = true, InterruptThreshold = 1 }.Raw.Value);
    }

    private static void Queue(IScheduleHost host, uint home, int index, int? bytes, LinkPointer next, bool isHead, byte mask)
    {
        uint at = home + QueuesAt + (Spacing * (uint)index);
        uint transfer = home + TransfersAt + (Spacing * (uint)index);
        QueueHead head = EhciBench.Queue(Nobody, 1, 512, at, isHead, nakReload: 0);
        head = head with { Horizontal = next, Capabilities = head.Capabilities with { StartMask = mask } };
        if (bytes is { } length)
        {
            host.Write(transfer, new TransferDescriptor
            {
                Next = new() { Terminate = true },
                AlternateNext = new() { Terminate = true },
                Token = new() { Active = true, PacketId = PacketId.Setup, ErrorCount = 0, TotalBytes = length },
                Page0 = new(new(home + BufferAt)),
            });
            head = head with { Overlay = head.Overlay with { Next = new() { Address = transfer } } };
        }

        host.Write(at, head);
    }
}
