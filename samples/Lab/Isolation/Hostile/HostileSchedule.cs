using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Memory full of things that look like the structures of an EHCI controller and point anywhere.</summary>
/// <remarks>
/// Cells of 128 bytes, each of a kind that its place decides, so that most links say truly what they lead to; some lie,
/// some cells are noise, and bits are flipped everywhere.
/// </remarks>
/// <param name="random">Decides everything.</param>
/// <param name="start">Where the memory begins.</param>
/// <param name="bytes">How much there is.</param>
internal sealed class HostileSchedule(Random random, uint start, int bytes)
{
    public const int Cell = 128;

    private const int FrameListBytes = 4096;

    // What lies in each of eight cells in a row; the others are qTDs.
    private static readonly LinkType?[] Kinds =
    [
        LinkType.QueueHead, LinkType.QueueHead, null, LinkType.IsochronousTransfer, LinkType.QueueHead, null,
        LinkType.SplitIsochronousTransfer, LinkType.FrameSpan,
    ];

    /// <summary>Writes a stretch of memory; it begins at a cell.</summary>
    public void Fill(Span<byte> memory)
    {
        bool isNoisy = random.Next(8) == 0;
        for (int at = 0; at < memory.Length; at += Cell)
        {
            Span<byte> cell = memory.Slice(at, Cell);
            if (isNoisy ? random.Next(2) == 0 : random.Next(400) == 0)
                random.NextBytes(cell);
            else
                Write(Kinds[at / Cell % Kinds.Length], cell);
            for (int flips = isNoisy ? 0 : random.Next(200) - 197; flips > 0; flips--)
                cell[random.Next(Cell)] ^= (byte)(1 << random.Next(8));
        }
    }

    /// <summary>A frame list.</summary>
    public byte[] FrameList()
    {
        byte[] list = new byte[FrameListBytes];
        foreach (ref uint element in MemoryMarshal.Cast<byte, uint>(list.AsSpan()))
            element = Link(random.Next(4) == 0, anyKind: true).Raw.Value;
        return list;
    }

    /// <summary>Some queue head, or another address now and then.</summary>
    public uint QueueHeadAddress() => Link(isEnd: false, anyKind: false).Address;

    private void Write(LinkType? kind, Span<byte> cell)
    {
        switch (kind)
        {
            case LinkType.QueueHead:
                Packed.Write(Head(), cell);
                break;
            case LinkType.IsochronousTransfer:
                Isochronous(MemoryMarshal.Cast<byte, uint>(cell));
                break;
            case LinkType.SplitIsochronousTransfer:
                Packed.Write(Split(), cell);
                break;
            case LinkType.FrameSpan:
                Packed.Write(new FrameSpanNode(Link(random.Next(6) == 0, anyKind: true), Link(random.Next(3) == 0, anyKind: false)), cell);
                break;
            default:
                Packed.Write(Descriptor(), cell);
                break;
        }
    }

    private QueueHead Head()
    {
        bool isSplit = random.Next(3) == 0;
        return new()
        {
            Horizontal = Link(random.Next(6) == 0, anyKind: random.Next(3) == 0),
            Characteristics = new()
            {
                DeviceAddress = random.Next(3),
                Endpoint = random.Next(4),
                Speed = random.Next(40) == 0 ? (EndpointSpeed)3 : isSplit ? (EndpointSpeed)random.Next(2) : EndpointSpeed.High,
                ToggleFromDescriptor = random.Next(2) == 0,
                ReclamationHead = random.Next(4) == 0,
                MaxPacketSize = random.Next(4) == 0 ? random.Next(0x800) : 64,
                NakReload = random.Next(3) == 0 ? random.Next(16) : 0,
                InactivateOnNext = random.Next(8) == 0,
                ControlEndpoint = random.Next(3) == 0,
            },
            Capabilities = new()
            {
                StartMask = (byte)random.Next(256),
                CompleteMask = (byte)random.Next(256),
                Multiplier = random.Next(4),
                HubAddress = random.Next(6) == 0 ? random.Next(128) : 1,
                HubPort = random.Next(6) == 0 ? random.Next(128) : random.Next(1, 4),
            },
            Current = new() { Address = Transfer() },
            Overlay = Descriptor(),
        };
    }

    private TransferDescriptor Descriptor() => new()
    {
        Next = new() { Address = Transfer(), Terminate = random.Next(6) == 0 },
        AlternateNext = new() { Address = Transfer(), Terminate = random.Next(2) == 0, NakCounter = random.Next(16) },
        Token = new()
        {
            Active = random.Next(4) != 0,
            Halted = random.Next(12) == 0,
            PacketId = random.Next(12) == 0 ? (PacketId)3 : (PacketId)random.Next(3),
            ErrorCount = random.Next(4),
            CurrentPage = random.Next(4) == 0 ? random.Next(8) : 0,
            TotalBytes = random.Next(4) == 0 ? random.Next(0x8000) : random.Next(200),
            DataToggle = random.Next(2) == 0,
            InterruptOnComplete = random.Next(2) == 0,
            Ping = random.Next(4) == 0,
            SplitTransactionState = random.Next(3) == 0,
        },
        Page0 = new(new(Anywhere())),
        Page1 = new(new(Anywhere())),
        Page2 = new(new(Anywhere())),
        Page3 = new(new(Anywhere())),
        Page4 = new(new(Anywhere())),
        High1 = new(random.Next(1000) == 0 ? 1u : 0),
    };

    private void Isochronous(Span<uint> words)
    {
        words[0] = Link(random.Next(4) == 0, anyKind: true).Raw.Value;
        for (int slot = 1; slot <= 8; slot++)
        {
            words[slot] = new IsochronousSlot
            {
                Active = random.Next(3) != 0,
                Length = random.Next(4) == 0 ? random.Next(0x1000) : random.Next(200),
                PageSelect = random.Next(8) == 0 ? 7 : random.Next(7),
                Offset = random.Next(0x1000),
                InterruptOnComplete = random.Next(3) == 0,
            }.Raw.Value;
        }

        for (int page = 9; page < 16; page++)
            words[page] = Anywhere() & ~0xFFFu;
        words[9] |= (uint)random.Next(3) | ((uint)random.Next(4) << 8);
        words[10] |= (uint)(random.Next(4) == 0 ? random.Next(0x800) : 64) | (random.Next(2) == 0 ? 1u << 11 : 0);
        words[11] |= (uint)random.Next(4);
        words[16] = random.Next(500) == 0 ? 1u : 0;
    }

    private SplitIsochronousTransferDescriptor Split() => new()
    {
        Next = Link(random.Next(4) == 0, anyKind: true),
        Endpoint = new()
        {
            DeviceAddress = random.Next(3),
            Endpoint = random.Next(4),
            HubAddress = random.Next(6) == 0 ? random.Next(128) : 1,
            HubPort = random.Next(6) == 0 ? random.Next(128) : random.Next(1, 4),
            In = random.Next(2) == 0,
        },
        Schedule = new() { StartMask = (byte)random.Next(256), CompleteMask = (byte)random.Next(256) },
        State = new()
        {
            Active = random.Next(4) != 0,
            SplitTransactionState = random.Next(2) == 0,
            TotalBytes = random.Next(1024),
            CompleteSplitProgress = (byte)(random.Next(2) == 0 ? 0 : random.Next(256)),
            PageSelect = random.Next(4) == 0,
            InterruptOnComplete = random.Next(2) == 0,
        },
        Page0 = new(new(Anywhere())),
        Page1 = new() { Page = Anywhere() & ~0xFFFu, TransactionCount = random.Next(8), Position = (SplitPosition)random.Next(4) },
        Back = new() { Type = LinkType.SplitIsochronousTransfer, Address = CellOf(LinkType.SplitIsochronousTransfer), Terminate = random.Next(2) == 0 },
        High1 = new(random.Next(500) == 0 ? 1u : 0),
    };

    private LinkPointer Link(bool isEnd, bool anyKind)
    {
        LinkType kind = anyKind ? (LinkType)random.Next(4) : LinkType.QueueHead;
        uint address = CellOf(kind);
        return new() { Type = random.Next(30) == 0 ? (LinkType)random.Next(4) : kind, Address = address, Terminate = isEnd };
    }

    private uint Transfer() => CellOf(null);

    private uint CellOf(LinkType? kind)
    {
        if (random.Next(2000) == 0)
            return (uint)random.NextInt64(1L << 32) & ~0x1Fu;
        int inRow = random.Next(Kinds.Length);
        while (Kinds[inRow] != kind)
            inRow = (inRow + 1) % Kinds.Length;
        return start + (uint)(((random.Next(bytes / Cell / Kinds.Length) * Kinds.Length) + inRow) * Cell);
    }

    // Mostly in the memory that the controller may reach; now and then just outside, or far away.
    private uint Anywhere() => random.Next(30) switch
    {
        0 => start + (uint)bytes + (uint)random.Next(0x8000),
        1 => start - (uint)random.Next(1, 0x8000),
        2 when random.Next(10) == 0 => (uint)random.NextInt64(1L << 32),
        _ => start + (uint)random.Next(bytes),
    };
}
