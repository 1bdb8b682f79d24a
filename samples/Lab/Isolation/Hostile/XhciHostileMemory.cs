using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>A region full of things that look like what an xHCI controller reads: most make sense, some do not.</summary>
/// <remarks>
/// <code>
/// page 0   context array, event ring segment table     page 1       command ring
/// page 2   event ring                                  pages 3, 4   input contexts
/// 5, 6     device contexts                             the rest     transfer rings, stream arrays and buffers
/// </code>
/// </remarks>
internal sealed class XhciHostileMemory(Random random, uint region, int length, int stride)
{
    private const int Page = 0x1000;
    private const int InputAddress = 3 * Page;
    private const int InputConfigure = 4 * Page;
    private const int DeviceContexts = 5 * Page;
    private const int Rings = 7 * Page;
    private const int RingBytes = 0x200;

    private readonly byte[] _bytes = new byte[length];

    /// <summary>A whole region.</summary>
    public byte[] Fill()
    {
        for (int slot = 0; slot < 12; slot++)
            Put(8 * slot, new ContextPointer { Address = random.Next(20) == 0 ? AnyPointer() & ~0x3Ful : region + (uint)(DeviceContexts + (slot % 4 * 0x400)) });
        for (int segment = 0; segment < 8; segment++)
            Put(0x800 + (16 * segment), new EventRingSegment { Address = region + (uint)((2 * Page) + (segment * 0x100)), TrbCount = random.Next(20) == 0 ? random.Next(0x2000) : 16 });
        FillCommands();
        FillInputs();
        for (int at = Rings; at + RingBytes <= length; at += RingBytes)
            FillRing(at);
        Flip(random.Next(3) == 0 ? random.Next(200) : random.Next(4));
        return _bytes;
    }

    /// <summary>Changes some of it under the controller's hands.</summary>
    /// <param name="read">Reads a page at an address.</param>
    /// <param name="write">Writes it again.</param>
    public void Mutate(Func<ulong, byte[]> read, Action<ulong, byte[]> write)
    {
        int page = random.Next(length / Page);
        byte[] now = read(region + (uint)(page * Page));
        switch (random.Next(3))
        {
            case 0:
                _bytes.AsSpan(page * Page, Page).CopyTo(now);
                break;
            case 1:
                for (int change = 0; change < 40; change++)
                    now[random.Next(Page)] ^= (byte)(1 << random.Next(8));
                break;
            default:
                // Cycle bits alone: rings grow and shrink while they are worked on.
                for (int trb = 0; trb < Page; trb += 16)
                    now[trb + 12] ^= (byte)(random.Next(3) == 0 ? 1 : 0);
                break;
        }

        write(region + (uint)(page * Page), now);
    }

    private void FillCommands()
    {
        Trb[] start =
        [
            XhciTrbs.EnableSlot(), XhciTrbs.EnableSlot(), XhciTrbs.EnableSlot(), XhciTrbs.EnableSlot(),
            XhciTrbs.AddressDevice(1, Input(0)), XhciTrbs.AddressDevice(2, Input(1)), XhciTrbs.AddressDevice(3, Input(2)), XhciTrbs.AddressDevice(4, Input(3)),
            XhciTrbs.ConfigureEndpoint(1, Configure(0)), XhciTrbs.ConfigureEndpoint(2, Configure(0)),
            XhciTrbs.ConfigureEndpoint(3, Configure(0)), XhciTrbs.ConfigureEndpoint(4, Configure(0)),
        ];
        for (int index = 0; index < 250; index++)
            Put(Page + (16 * index), (index < start.Length && random.Next(30) != 0 ? start[index] : Command()) with { Cycle = random.Next(index < start.Length ? 200 : 6) != 0 });
        Put(Page + (16 * 250), new LinkTrb { Type = TrbType.Link, Segment = region + Page, ToggleCycle = random.Next(2) == 0, Cycle = true });
    }

    private Trb Command()
    {
        int slot = random.Next(6) == 0 ? random.Next(256) : random.Next(1, 5);
        int endpoint = random.Next(1, 8);
        return random.Next(14) switch
        {
            0 => XhciTrbs.EnableSlot(),
            1 => XhciTrbs.OfSlot(TrbType.DisableSlot, slot),
            2 => XhciTrbs.AddressDevice(slot, random.Next(8) == 0 ? AnyPointer() : Input(random.Next(4)), random.Next(2) == 0),
            3 or 4 => XhciTrbs.ConfigureEndpoint(slot, random.Next(8) == 0 ? AnyPointer() : Configure(random.Next(2)), random.Next(6) == 0),
            5 => XhciTrbs.EvaluateContext(slot, Input(random.Next(4))),
            6 => XhciTrbs.OfEndpoint(TrbType.ResetEndpoint, slot, endpoint),
            7 or 8 => XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, endpoint),
            9 or 10 => XhciTrbs.SetDequeue(slot, endpoint, AnyPointer(), random.Next(3) != 0, random.Next(4)),
            11 => XhciTrbs.OfSlot(TrbType.ResetDevice, slot),
            12 => new(new PortBandwidthCommand { Type = TrbType.GetPortBandwidth, Context = AnyPointer(), Speed = (PortSpeed)random.Next(6) }.Raw),
            _ => new Trb(new((ulong)random.NextInt64(), (ulong)random.NextInt64())) with { Type = (TrbType)random.Next(64) },
        };
    }

    private void FillInputs()
    {
        for (int port = 0; port < 4; port++)
        {
            int at = InputAddress + (port * 0x400);
            PortSpeed speed = port >= 3 ? PortSpeed.Super : PortSpeed.High;
            Put(at, new InputControlContext { AddFlags = 3 });
            Put(at + stride, new SlotContext { Speed = speed, RootPort = (byte)(port + 1), Entries = 1 });
            Put(at + (2 * stride), Endpoint(1) with { Type = XhciEndpointType.Control, MaxPacketSize = speed == PortSpeed.Super ? 512 : 64, StreamsMax = 0 });
        }

        for (int choice = 0; choice < 2; choice++)
        {
            int at = InputConfigure + (choice * 0x800);
            Put(at, new InputControlContext { AddFlags = choice == 0 ? 0xFDu : (uint)random.Next(256) & ~2u, DropFlags = choice == 0 ? 0u : (uint)random.Next(256) & ~3u });
            for (int index = 0; index < 8 && at + ((index + 2) * stride) <= InputConfigure + Page; index++)
                Put(at + ((index + 1) * stride), Endpoint(index));
        }
    }

    private EndpointContext Endpoint(int index) => new()
    {
        Type = random.Next(40) == 0 ? (XhciEndpointType)random.Next(8) : (XhciEndpointType)(random.Next(1, 4) + ((index & 1) * 4)),
        MaxPacketSize = random.Next(40) == 0 ? random.Next(2048) : random.Next(1, 65),
        Interval = random.Next(20) == 0 ? random.Next(256) : random.Next(4),
        BurstMax = random.Next(3),
        ErrorCount = random.Next(4),
        StreamsMax = random.Next(30) == 0 ? random.Next(4) : 0,
        LinearStreams = random.Next(2) == 0,
        Dequeue = random.Next(30) == 0 ? AnyPointer() : region + (uint)(Rings + (random.Next((length - Rings) / RingBytes) * RingBytes)),
        CycleState = random.Next(10) != 0,
    };

    private void FillRing(int start)
    {
        int kind = random.Next(6);
        int trbs = RingBytes / 16;
        for (int index = 0; index < trbs; index++)
        {
            Trb trb = kind switch
            {
                0 => Control(index),
                1 => XhciTrbs.Isochronous(Buffer(), random.Next(200), random.Next(3) == 0 ? random.Next(2048) : null, random.Next(4) == 0),
                2 => new(new StreamContext { Type = (StreamContextType)random.Next(8), Dequeue = AnyPointer(), CycleState = true }.Raw),
                _ => Transfer(),
            };
            Put(start + (16 * index), kind == 2 ? trb : trb with { Cycle = random.Next(12) != 0 });
        }

        if (kind != 2)
            Put(start + RingBytes - 16, new LinkTrb { Type = TrbType.Link, Segment = random.Next(12) == 0 ? AnyPointer() : region + (uint)start, ToggleCycle = random.Next(2) == 0, Chain = random.Next(4) == 0, Cycle = true });
    }

    private Trb Control(int index) => (index % 3) switch
    {
        0 => XhciTrbs.Setup(new(new((ulong)random.NextInt64())), (SetupTransferType)random.Next(4)),
        1 => XhciTrbs.Data(Buffer(), random.Next(200), random.Next(2) == 0),
        _ => XhciTrbs.Status(random.Next(2) == 0),
    };

    private Trb Transfer() => random.Next(12) switch
    {
        0 => XhciTrbs.EventData((ulong)random.NextInt64(), random.Next(2) == 0),
        1 => new(new NoOpTrb { Type = TrbType.NoOp, InterruptOnCompletion = true, Chain = random.Next(2) == 0 }.Raw),
        2 => new(new NormalTrb { Type = TrbType.Normal, Immediate = true, Length = random.Next(12), InterruptOnCompletion = true }.Raw),
        3 => new Trb(new((ulong)random.NextInt64(), (ulong)random.NextInt64())),
        4 => XhciTrbs.Normal(Buffer(), random.Next(0x1_0001), random.Next(2) == 0, random.Next(2) == 0, random.Next(2) == 0, random.Next(4)),
        _ => XhciTrbs.Normal(Buffer(), random.Next(300), random.Next(2) == 0, random.Next(3) == 0, random.Next(2) == 0, random.Next(3)),
    };

    private ulong Input(int port) => region + (uint)(InputAddress + (port * 0x400));

    private ulong Configure(int choice) => region + (uint)(InputConfigure + (choice * 0x800));

    private ulong Buffer() => random.Next(20) == 0 ? (ulong)random.NextInt64() << random.Next(2) : region + (uint)random.Next(Rings, length - 600);

    private ulong AnyPointer() => random.Next(30) == 0 ? (ulong)random.NextInt64() & ~0xFul : region + ((uint)random.Next(length) & ~0xFu);

    private void Flip(int bits)
    {
        for (; bits > 0; bits--)
            _bytes[random.Next(length)] ^= (byte)(1 << random.Next(8));
    }

    private void Put<T>(int at, in T value)
        where T : unmanaged => MemoryMarshal.Write(_bytes.AsSpan(at), value);
}
