using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Software that writes anything anywhere, over memory full of things that look like schedules, beside devices that answer anything.</summary>
/// <remarks>
/// The controller is behind a remapping unit that maps one region for it; whatever it is told, nothing else changes.
/// </remarks>
public sealed class EhciHostileTests : IDisposable
{
    private const int MicroframeNs = 125_000;
    private const int MemoryBytes = 0x8_0000;
    private const uint Region = 0x4_0000;
    private const int RegionBytes = 0x8000;
    private const uint FrameList = Region + RegionBytes;
    private const int MappedBytes = RegionBytes + 0x1000;
    private const int Tables = 0x1_0000;
    private const byte Outside = 0xE5;

    private static readonly UsbPid[] DataPids = [UsbPid.Data0, UsbPid.Data1, UsbPid.Data2, UsbPid.DataM];
    private static readonly SourceId Source = new(0, 0x1D, 0);

    // Kept from program to program: memory and a unit are dear to make, and no program can change what is mapped.
    private readonly PhysicalMemory _memory = new(MemoryBytes);
    private readonly RemappingWorld _world;
    private readonly Dictionary<Kind, int> _kinds = [];
    private readonly byte[] _before = new byte[MemoryBytes];
    private readonly byte[] _after = new byte[MemoryBytes];
    private readonly byte[] _cells = new byte[RegionBytes];

    // Nothing on the wire is shorter than a token with its data, and no handshake.
    private const int ShortestNs = 600;

    public EhciHostileTests() => _world = Remapping();

    public void Dispose()
    {
        _world.Dispose();
        _memory.Dispose();
    }

    [Fact]
    public void No_program_makes_the_controller_throw_or_work_without_bound_or_touch_what_is_not_mapped()
    {
        for (int number = 0; number < Property.Cases(3400); number++)
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

        // They did get somewhere: each kind of transaction took place, many times.
        Assert.Equal(Enum.GetValues<Kind>(), _kinds.Keys.Order());
        Assert.All(_kinds, kind => Assert.True(kind.Value > 100, $"{kind}"));
    }

    [Fact]
    public void The_same_program_leaves_the_same_bytes()
    {
        for (int number = 0; number < 40; number++)
            Assert.Equal(Run(number), Run(number));
    }

    // Runs a program and returns a fingerprint of all that it left behind.
    private ulong Run(int number)
    {
        Random random = new((int)Property.Hash($"{Property.SeedText} {number}"));
        using EhciBench bench = new(Options(random), _ => _world.Unit, _memory);
        bench.Controller.Usb.Observer = new Counter(_kinds);
        _world.Faults.Clear();
        Array.Clear(_cells);
        HostileSchedule schedule = new(random, Region, RegionBytes);
        schedule.Fill(_cells);
        bench.WriteBytes(Region, _cells);
        bench.WriteBytes(FrameList, schedule.FrameList());
        Devices(random, bench);
        if (random.Next(4) != 0)
            Reasonable(random, bench, schedule);
        int steps = random.Next(1, 12);
        for (int step = 0; step < steps; step++)
        {
            Write(random, bench, schedule);
            uint duration = (uint)random.Next(random.Next(8) == 0 ? 2_000_000 : MicroframeNs);
            ulong visits = bench.Controller.Statistics.Visits;
            ulong events = bench.Loop.EventsRun;
            bench.Loop.RunFor(duration);
            Assert.True(bench.Controller.Statistics.Visits - visits <= (duration / ShortestNs) + 2);
            Assert.True(bench.Loop.EventsRun - events <= (3 * (duration / ShortestNs)) + 60);
            if (random.Next(4) == 0)
            {
                schedule.Fill(_cells.AsSpan(0, 4096));
                bench.WriteBytes(Region + ((uint)random.Next(RegionBytes / 4096) * 4096), _cells.AsSpan(0, 4096));
            }
        }

        CheckOutside(number);
        return Fingerprint(bench);
    }

    // One region of memory is mapped for the controller, at its own address; everything around it has a pattern.
    private RemappingWorld Remapping()
    {
        Array.Fill(_after, Outside);
        Assert.True(_memory.TryWrite(new(Tables), _after.AsSpan(Tables)));
        RemappingWorld world = new(HardwareProfile.Named(HardwareProfile.Names[0]), _memory);
        PhysicalAddress table = world.Frame();
        world.PutContext(Source, world.Context(table));
        for (ulong at = Region; at < Region + MappedBytes; at += 4096)
            _ = world.Map(table, RemappingWorld.Widest(world.Profile), at, RemappingWorld.Page(at));
        _ = world.Enable();
        Assert.True(_memory.TryRead(new(0), _before));
        return world;
    }

    private void CheckOutside(int number)
    {
        Assert.True(_memory.TryRead(new(0), _after));
        const int End = (int)Region + MappedBytes;
        Assert.True(
            _before.AsSpan(0, (int)Region).SequenceEqual(_after.AsSpan(0, (int)Region)) && _before.AsSpan(End).SequenceEqual(_after.AsSpan(End)),
            $"DMA_SEED={Property.SeedText}, program {number} changed memory that is not mapped.");
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

    private static void Devices(Random random, EhciBench bench)
    {
        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        for (int port = 1; port <= bench.Controller.Usb.Ports.Count && port <= 3; port++)
        {
            UsbHub? hub = port == 1 && random.Next(2) == 0 ? new(bench.Loop, new() { PortCount = 3, HasManyTranslators = random.Next(2) == 0 }) : null;
            IUsbDevice other = random.Next(3) == 0
                ? new MassStorageDevice(new MemoryDiskImage(new byte[4096], isWritable: true))
                : Anything(random, (byte)random.Next(3), UsbSpeed.High);
            bench.WritePort(new() { Power = true }, port);
            bench.Controller.Usb.Ports[port - 1].Plug(hub ?? other);
            bench.ResetPort(port);
            if (hub is not null)
                Configure(random, bench, hub);
        }
    }

    // A hub at address 1, with a slow device at each of its ports.
    private static void Configure(Random random, EhciBench bench, UsbHub hub)
    {
        UsbTestHost host = new(bench.Controller.Usb);
        host.Configure(address: 1);
        if (random.Next(2) == 0)
            _ = host.Control(new() { Recipient = RequestRecipient.Interface, Request = (byte)StandardRequest.SetInterface, Value = 1 });
        foreach (UsbPort socket in hub.Downstream)
        {
            Assert.NotNull(host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Power, socket.Number)));
            socket.Plug(Anything(random, (byte)random.Next(3), (UsbSpeed)random.Next(2)));
        }

        bench.Loop.RunFor(30_000_000);
        foreach (UsbPort socket in hub.Downstream)
            Assert.NotNull(host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, socket.Number)));
        bench.Loop.RunFor(30_000_000);
    }

    private static ScriptedDevice Anything(Random random, byte address, UsbSpeed speed) => new()
    {
        Address = address,
        Speed = speed,
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
    private static void Reasonable(Random random, EhciBench bench, HostileSchedule schedule)
    {
        if (bench.Status.HostSystemError)
            bench.UsbCommand = new() { Reset = true };
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, random.Next(6) == 0 ? Region + ((uint)random.Next(RegionBytes) & ~0xFFFu) : FrameList);
        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, schedule.QueueHeadAddress());
        bench.UsbCommand = new() { Run = true, AsyncEnable = random.Next(4) != 0, PeriodicEnable = random.Next(3) != 0, InterruptThreshold = random.Next(3) };
    }

    private static void Write(Random random, EhciBench bench, HostileSchedule schedule)
    {
        ulong value = (ulong)random.NextInt64();
        value = random.Next(6) switch
        {
            0 => ulong.MaxValue,
            1 => 0,
            2 => Region + (value & 0xFFE0),
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
                Reasonable(random, bench, schedule);
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
        foreach (byte value in bench.ReadBytes(Region, MappedBytes))
            hash = (hash ^ value) * 0x100000001B3;
        for (ulong offset = 0; offset < 0xB0; offset += 4)
            hash = (hash ^ bench.Controller.ReadBar(0, offset, 4)) * 0x100000001B3;
        return hash;
    }

    /// <summary>What crosses the bus.</summary>
    private enum Kind
    {
        Plain,
        Isochronous,
        StartControl,
        StartIsochronous,
        StartBulk,
        StartInterrupt,
        CompleteControl,
        CompleteIsochronous,
        CompleteBulk,
        CompleteInterrupt,
    }

    private sealed class Counter(Dictionary<Kind, int> kinds) : IPacketObserver
    {
        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
        {
            // The packet identifiers MDATA and DATA2 are those of isochronous transfers alone.
            Kind kind = token.IsSplit
                ? (token.Split.Complete ? Kind.CompleteControl : Kind.StartControl) + (int)token.Split.EndpointType
                : dataPid is UsbPid.DataM or UsbPid.Data2 && token.Pid == UsbPid.Out ? Kind.Isochronous : Kind.Plain;
            kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
        }
    }
}
