using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Software that writes anything anywhere, over memory full of things that look like schedules, beside devices that answer anything.</summary>
public sealed class EhciHostileTests
{
    private const int MicroframeNs = 125_000;
    private const int Region = 0x1_0000;
    private const int Cell = 128;
    private const uint FrameList = Region;

    private static readonly UsbPid[] DataPids = [UsbPid.Data0, UsbPid.Data1, UsbPid.Data2, UsbPid.DataM];

    // Nothing on the wire is shorter than a token with its handshake.
    private const int ShortestNs = 900;

    [Fact]
    public void No_program_makes_the_controller_throw_or_work_without_bound()
    {
        for (int number = 0; number < Property.Cases(2000); number++)
        {
            try
            {
                _ = Run(number);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"Again with DMA_SEED={Property.SeedText}, program {number}: {exception}");
            }
        }
    }

    [Fact]
    public void The_same_program_leaves_the_same_bytes()
    {
        for (int number = 0; number < 40; number++)
            Assert.Equal(Run(number), Run(number));
    }

    // Runs a program and returns a fingerprint of all that it left behind.
    private static ulong Run(int number)
    {
        Random random = new((int)Property.Hash($"{Property.SeedText} {number}"));
        using EhciBench bench = new(Options(random));
        byte[] memory = new byte[Region];
        Fill(random, memory);
        bench.WriteBytes(0, memory);
        for (uint element = 0; element < 1024; element++)
            bench.Write(FrameList + (4 * element), new LinkPointer { Type = (LinkType)random.Next(4), Address = Pointer(random), Terminate = random.Next(4) == 0 });
        Devices(random, bench);
        if (random.Next(4) != 0)
            Reasonable(random, bench);
        int steps = random.Next(1, 12);
        for (int step = 0; step < steps; step++)
        {
            Write(random, bench);
            uint duration = (uint)random.Next(random.Next(8) == 0 ? 2_000_000 : MicroframeNs);
            ulong visits = bench.Controller.Statistics.Visits;
            ulong events = bench.Loop.EventsRun;
            bench.Loop.RunFor(duration);
            Assert.True(bench.Controller.Statistics.Visits - visits <= (duration / ShortestNs) + 2);
            Assert.True(bench.Loop.EventsRun - events <= (2 * (duration / ShortestNs)) + 40);
            if (random.Next(4) == 0)
            {
                Fill(random, memory.AsSpan(0, 4096));
                bench.WriteBytes((uint)random.Next(Region / 4096) * 4096, memory.AsSpan(0, 4096));
            }
        }

        return Fingerprint(bench);
    }

    private static EhciOptions Options(Random random) => new()
    {
        PortCount = random.Next(1, 16),
        Addresses64Bit = random.Next(2) == 0,
        ProgrammableFrameList = random.Next(2) == 0,
        PortPowerControl = random.Next(2) == 0,
        PostedWriteFault = (PostedWriteFault)random.Next(2),
        FetchNs = random.Next(2) == 0 ? 300u : 1000u,
    };

    // Cells of 128 bytes, most of them plausible queue heads and descriptors that point anywhere; some are noise, and
    // bits are flipped everywhere.
    private static void Fill(Random random, Span<byte> memory)
    {
        bool isNoisy = random.Next(8) == 0;
        for (int at = 0; at < memory.Length; at += Cell)
        {
            Span<byte> cell = memory.Slice(at, Cell);
            int kind = isNoisy ? random.Next(2) : random.Next(400) == 0 ? 0 : random.Next(1, 24);
            if (kind == 0)
                random.NextBytes(cell);
            else if (kind < 6)
                Packed.Write(Descriptor(random), cell);
            else
                Packed.Write(Head(random), cell);
            for (int flips = isNoisy ? 0 : random.Next(200) - 197; flips > 0; flips--)
                cell[random.Next(Cell)] ^= (byte)(1 << random.Next(8));
        }
    }

    private static QueueHead Head(Random random) => new()
    {
        Horizontal = new() { Type = random.Next(6) == 0 ? (LinkType)random.Next(4) : LinkType.QueueHead, Address = Pointer(random), Terminate = random.Next(6) == 0 },
        Characteristics = new()
        {
            DeviceAddress = random.Next(3),
            Endpoint = random.Next(4),
            Speed = random.Next(6) == 0 ? (EndpointSpeed)random.Next(4) : EndpointSpeed.High,
            ToggleFromDescriptor = random.Next(2) == 0,
            ReclamationHead = random.Next(4) == 0,
            MaxPacketSize = random.Next(4) == 0 ? random.Next(0x800) : 64,
            NakReload = random.Next(3) == 0 ? random.Next(16) : 0,
            InactivateOnNext = random.Next(8) == 0,
        },
        Capabilities = new()
        {
            StartMask = (byte)random.Next(256),
            CompleteMask = (byte)random.Next(256),
            Multiplier = random.Next(4),
            HubAddress = random.Next(3),
            HubPort = random.Next(3),
        },
        Current = new() { Address = Pointer(random) },
        Overlay = Descriptor(random),
    };

    private static TransferDescriptor Descriptor(Random random) => new()
    {
        Next = new() { Address = Pointer(random), Terminate = random.Next(6) == 0 },
        AlternateNext = new() { Address = Pointer(random), Terminate = random.Next(2) == 0, NakCounter = random.Next(16) },
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
            SplitTransactionState = random.Next(8) == 0,
        },
        Page0 = new(new((uint)random.Next(Region))),
        Page1 = new() { Page = (uint)random.Next(Region) & ~0xFFFu },
        Page2 = new() { Page = (uint)random.Next(Region) & ~0xFFFu },
        Page3 = new() { Page = (uint)random.Next(Region) & ~0xFFFu },
        Page4 = new() { Page = (uint)random.Next(Region) & ~0xFFFu },
        High1 = new(random.Next(1000) == 0 ? 1u : 0),
    };

    private static uint Pointer(Random random) => random.Next(3000) == 0
        ? (uint)random.NextInt64(1L << 32) & ~0x1Fu
        : (uint)(random.Next(Region / Cell) * Cell);

    private static void Devices(Random random, EhciBench bench)
    {
        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        for (int port = 1; port <= bench.Controller.Usb.Ports.Count && port <= 3; port++)
        {
            byte[] disk = new byte[4096];
            IUsbDevice device = random.Next(2) == 0
                ? new MassStorageDevice(new MemoryDiskImage(disk, isWritable: true))
                : Anything(random, (byte)random.Next(3));
            bench.WritePort(new() { Power = true }, port);
            bench.Controller.Usb.Ports[port - 1].Plug(device);
            bench.ResetPort(port);
        }
    }

    private static ScriptedDevice Anything(Random random, byte address) => new()
    {
        Address = address,
        Takes = (_, _) => Handshake(random),
        Pings = () => Handshake(random),
        Gives = (_, _) => random.Next(2) == 0
            ? Handshake(random)
            : UsbReply.Data(DataPids[random.Next(DataPids.Length)], random.Next(8) == 0 ? random.Next(UsbBus.PacketMax + 1) : random.Next(65)),
    };

    private static UsbReply Handshake(Random random) => random.Next(6) switch
    {
        0 => UsbReply.Ack,
        1 => UsbReply.Nak,
        2 => UsbReply.Stall,
        3 => UsbReply.Nyet,
        4 => UsbReply.Error,
        _ => UsbReply.Silence,
    };

    // Starts with both lists somewhere in the region, so that most programs do get to work.
    private static void Reasonable(Random random, EhciBench bench)
    {
        if (bench.Status.HostSystemError)
            bench.UsbCommand = new() { Reset = true };
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, random.Next(4) == 0 ? (uint)random.Next(Region) & ~0xFFFu : FrameList);
        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, Pointer(random));
        bench.UsbCommand = new() { Run = true, AsyncEnable = random.Next(4) != 0, PeriodicEnable = random.Next(2) != 0, InterruptThreshold = random.Next(3) };
    }

    private static void Write(Random random, EhciBench bench)
    {
        ulong value = (ulong)random.NextInt64();
        value = random.Next(6) switch
        {
            0 => ulong.MaxValue,
            1 => 0,
            2 => value & 0x1_FFE0,
            _ => value,
        };
        int width = 1 << random.Next(4);
        ulong offset = (ulong)(random.Next(random.Next(8) == 0 ? 4096 : 0xB0) & -width);
        switch (random.Next(12))
        {
            case 0:
                _ = bench.Controller.ReadBar(0, offset, width);
                break;
            case >= 1 and <= 3:
                Reasonable(random, bench);
                break;
            case 4 when random.Next(4) == 0:
                bench.Master(random.Next(4) != 0);
                break;
            case 5 when random.Next(4) == 0:
                bench.Controller.ResetFunction();
                bench.Master(true);
                break;
            case 6 when bench.Controller.Usb.Ports[0].Device is not null:
                _ = bench.Controller.Usb.Ports[0].Unplug();
                break;
            default:
                bench.Controller.WriteBar(0, offset, width, value);
                break;
        }
    }

    private static ulong Fingerprint(EhciBench bench)
    {
        ulong hash = bench.Loop.EventsRun;
        foreach (byte value in bench.ReadBytes(0, Region))
            hash = (hash ^ value) * 0x100000001B3;
        for (ulong offset = 0; offset < 0xB0; offset += 4)
            hash = (hash ^ bench.Controller.ReadBar(0, offset, 4)) * 0x100000001B3;
        return hash;
    }
}
