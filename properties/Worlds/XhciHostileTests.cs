using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Software that writes anything anywhere, over memory full of things that look like rings and contexts, beside devices that answer anything.</summary>
/// <remarks>The controller is behind a remapping unit that maps one region for it; whatever it is told, nothing else changes.</remarks>
public sealed class XhciHostileTests : IDisposable
{
    private const int MemoryBytes = 0x10_0000;
    private const uint Region = 0x8_0000;
    private const int RegionBytes = 0x1_0000;
    private const uint CommandRing = Region + 0x1000;
    private const uint SegmentTable = Region + 0x800;
    private const uint EventRing = Region + 0x2000;
    private const int LanesMax = 12;
    private const int ShortestNs = 50;
    private const byte Outside = 0xE5;

    private static readonly SourceId Source = new(0, 0x14, 0);
    private static readonly UsbPid[] DataPids = [UsbPid.Data0, UsbPid.Data1, UsbPid.Data2, UsbPid.DataM];

    // Kept from program to program: memory and a unit are dear to make, and no program can change what is mapped.
    private readonly RemappingWorld _world = Remapping();
    private readonly byte[] _before = new byte[MemoryBytes];
    private readonly byte[] _after = new byte[MemoryBytes];

    public void Dispose() => _world.Dispose();

    [Fact]
    public void No_program_makes_the_controller_throw_work_without_bound_or_change_what_is_not_mapped()
    {
        ulong transactions = 0;
        ulong commands = 0;
        for (int number = 0; number < Property.Cases(3400); number++)
        {
            try
            {
                _ = Run(number, ref transactions, ref commands);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"Again with DMA_SEED={Property.SeedText}, program {number}: {exception}");
            }
        }

        // Programs that never get anywhere would show nothing.
        Assert.True(transactions > 3400 && commands > 3400, $"{transactions} transactions, {commands} commands.");
    }

    [Fact]
    public void The_same_program_leaves_the_same_bytes()
    {
        ulong ignored = 0;
        for (int number = 0; number < 30; number++)
            Assert.Equal(Run(number, ref ignored, ref ignored), Run(number, ref ignored, ref ignored));
    }

    // Runs a program and returns a fingerprint of all that it left behind.
    private ulong Run(int number, ref ulong transactions, ref ulong commands)
    {
        Random random = new((int)Property.Hash($"{Property.SeedText} {number}"));
        using XhciBench bench = new(Options(random), _ => _world.Unit, _world.Memory);
        _world.Faults.Clear();
        Assert.True(bench.Memory.TryRead(default(PhysicalAddress), _before));
        XhciHostileMemory contents = new(random, Region, RegionBytes, bench.Stride);
        bench.WriteBytes(Region, contents.Fill());
        Devices(random, bench);
        Reasonable(random, bench);
        int steps = random.Next(1, 12);
        for (int step = 0; step < steps; step++)
        {
            Write(random, bench);
            uint duration = (uint)random.Next(random.Next(8) == 0 ? 3_000_000 : 125_000);
            (ulong visits, ulong events) = (bench.Controller.Statistics.Visits, bench.Loop.EventsRun);
            bench.Loop.RunFor(duration);
            ulong bound = ((duration / ShortestNs) + 20) * LanesMax;
            Assert.True(bench.Controller.Statistics.Visits - visits <= bound);
            Assert.True(bench.Loop.EventsRun - events <= bound);
            if (random.Next(3) == 0)
                contents.Mutate(page => bench.ReadBytes(page, 4096), (page, bytes) => bench.WriteBytes(page, bytes));
        }

        CheckOutside(bench, number);
        transactions += bench.Controller.Statistics.Transactions;
        commands += bench.Controller.Statistics.Commands;
        return Fingerprint(bench);
    }

    // One region of memory is mapped for the controller, at its own address; everything around it has a pattern.
    private static RemappingWorld Remapping()
    {
        PhysicalMemory memory = new(MemoryBytes);
        byte[] pattern = new byte[MemoryBytes / 2];
        Array.Fill(pattern, Outside);
        Assert.True(memory.TryWrite(new(MemoryBytes / 2), pattern));
        RemappingWorld world = new(HardwareProfile.Named(HardwareProfile.Names[0]), memory);
        PhysicalAddress table = world.Frame();
        world.PutContext(Source, world.Context(table));
        for (ulong at = Region; at < Region + RegionBytes; at += 4096)
            _ = world.Map(table, RemappingWorld.Widest(world.Profile), at, RemappingWorld.Page(at));
        return world.Enable();
    }

    private void CheckOutside(XhciBench bench, int number)
    {
        Assert.True(bench.Memory.TryRead(default(PhysicalAddress), _after));
        const int Start = (int)Region;
        const int End = Start + RegionBytes;
        Assert.True(
            _before.AsSpan(0, Start).SequenceEqual(_after.AsSpan(0, Start)) && _before.AsSpan(End).SequenceEqual(_after.AsSpan(End)),
            $"DMA_SEED={Property.SeedText}, program {number} changed memory that is not mapped.");
    }

    private static XhciOptions Options(Random random) => new()
    {
        Usb2PortCount = 3,
        Usb3PortCount = random.Next(1, 3),
        SlotCount = random.Next(1, 9),
        InterrupterCount = random.Next(1, 4),
        SegmentTableMax = random.Next(3),
        Contexts64Byte = random.Next(2) == 0,
        Addresses64Bit = random.Next(2) == 0,
        PostedWriteFault = (PostedWriteFault)random.Next(2),
        DataFault = (DataFault)random.Next(2),
        SecondaryStreams = random.Next(2) == 0,
        ParseAllEventData = random.Next(2) == 0,
        StoppedShortPacket = random.Next(2) == 0,
        FetchNs = random.Next(2) == 0 ? 100u : 500u,
        CommandNs = 500,
    };

    private static void Devices(Random random, XhciBench bench)
    {
        UsbSpeed[] speeds = [UsbSpeed.High, (UsbSpeed)random.Next(3), UsbSpeed.Super, UsbSpeed.Super];
        for (int port = 1; port <= 4; port++)
        {
            IUsbDevice device = random.Next(3) == 0
                ? new MassStorageDevice(new MemoryDiskImage(new byte[4096], isWritable: true))
                : Anything(random, speeds[port - 1]);
            bench.Controller.Ports[port - 1].Plug(device);
            bench.WritePort(port, new() { Reset = true });
        }

        bench.Loop.RunFor(60_000_000);
    }

    private static XhciTestDevice Anything(Random random, UsbSpeed speed) => new()
    {
        Speed = speed,
        Notes = false,
        Takes = (_, _) => Handshake(random),
        Pings = () => Handshake(random),
        Gives = (_, _) => random.Next(2) == 0
            ? Handshake(random)
            : UsbReply.Data(DataPids[random.Next(DataPids.Length)], random.Next(8) == 0 ? random.Next(UsbBus.PacketMax + 1) : random.Next(65)),
    };

    private static UsbReply Handshake(Random random) => random.Next(8) switch
    {
        0 or 1 or 2 => UsbReply.Ack,
        3 => UsbReply.Nak,
        4 => UsbReply.Stall,
        5 => UsbReply.Nyet,
        6 => UsbReply.Error,
        _ => UsbReply.Silence,
    };

    // Sets up rings in the region, lets the controller run and rings the command doorbell, so that most programs get to work.
    private static void Reasonable(Random random, XhciBench bench)
    {
        if (bench.Status is { HostSystemError: true } or { ControllerError: true })
            bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
        bench.WriteRegister(XhciOperationalOffsets.Configure, (ulong)random.Next(4, 10));
        bench.WriteRegister(XhciOperationalOffsets.ContextArray, Region, 8);
        bench.WriteRegister(XhciOperationalOffsets.CommandRing, (random.Next(6) == 0 ? Region + ((uint)random.Next(RegionBytes) & ~0x3Fu) : CommandRing) | 1, 8);
        for (int interrupter = 0; interrupter < bench.Controller.Options.InterrupterCount; interrupter++)
        {
            bench.WriteRuntime(XhciBench.Interrupter(interrupter, XhciRuntimeOffsets.TableSize), random.Next(20) == 0 ? (ulong)random.Next(8) : 1);
            bench.WriteRuntime(XhciBench.Interrupter(interrupter, XhciRuntimeOffsets.Dequeue), EventRing, 8);
            bench.WriteRuntime(XhciBench.Interrupter(interrupter, XhciRuntimeOffsets.TableBase), SegmentTable, 8);
            bench.WriteRuntime(XhciBench.Interrupter(interrupter, XhciRuntimeOffsets.Management), 2);
        }

        bench.Run(true);
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(200_000);
    }

    private static void Write(Random random, XhciBench bench)
    {
        ulong value = (ulong)random.NextInt64();
        value = random.Next(6) switch
        {
            0 => ulong.MaxValue,
            1 => 0,
            2 => Region + (value & 0xFFFF),
            3 => value & 0xFF,
            _ => value,
        };
        int width = 1 << random.Next(4);
        switch (random.Next(24))
        {
            case 0:
                _ = bench.Controller.ReadBar(0, (ulong)(random.Next(0x4000) & -width), width);
                break;
            case 1 or 2:
                Reasonable(random, bench);
                break;
            case 3 when random.Next(4) == 0:
                bench.Master(random.Next(4) != 0);
                break;
            case 4 when random.Next(4) == 0:
                bench.Controller.ResetFunction();
                bench.Master(true);
                break;
            case 5 when random.Next(3) == 0:
                _ = bench.Controller.Ports[random.Next(4)].Unplug();
                break;
            case 6:
                bench.WriteRegister(XhciOperationalOffsets.Command, value & 0xF8F | 1);
                break;
            case 7:
                bench.WritePort(random.Next(1, 5), new(new((uint)value)));
                break;
            case 8 or 9:
                bench.WriteRuntime(XhciBench.Interrupter(random.Next(bench.Controller.Options.InterrupterCount), random.Next(4) * 8), value, width);
                break;
            case 10:
                bench.WriteRegister(random.Next(0x40) & -width, value, width);
                break;
            case 11:
                bench.Controller.FailLink(random.Next(1, 5));
                break;
            case 12:
                bench.Run(false);
                bench.WriteRegister(XhciOperationalOffsets.Command, random.Next(2) == 0 ? 0x100u : 0x200u);
                bench.Loop.RunFor(20_000);
                bench.Run(true);
                break;
            case 13:
                bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Dequeue), EventRing + ((uint)random.Next(16) * 16), 8);
                break;
            case 14 or 15:
                bench.Doorbell(0, 0);
                break;
            default:
                bench.Doorbell(random.Next(1, 5), random.Next(4) == 0 ? random.Next(256) : random.Next(1, 8), random.Next(3) == 0 ? random.Next(8) : 0);
                break;
        }
    }

    private static ulong Fingerprint(XhciBench bench)
    {
        ulong hash = bench.Loop.EventsRun;
        foreach (byte value in bench.ReadBytes(Region, RegionBytes))
            hash = (hash ^ value) * 0x100000001B3;
        for (ulong offset = 0; offset < 0x1100; offset += 4)
            hash = (hash ^ bench.Controller.ReadBar(0, offset, 4)) * 0x100000001B3;
        return hash;
    }
}
