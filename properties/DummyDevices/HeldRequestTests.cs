using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Requests that wait for software: none goes out before its answer, and software learns what became of each.</summary>
public sealed class HeldRequestTests
{
    private const ulong MillisecondNs = 1_000_000;

    private enum Kind
    {
        Enumerate,
        Configure,
        Unconfigure,
        Alternate,
        Ask,
        Describe,
        Replug,
        Reset,
        Crash,
    }

    [Fact]
    public void What_a_driver_asks_goes_out_once_it_is_granted_and_ends_once() => Property.Check(
        from scripts in Gen.Choose(0, (int)Kind.Crash).Select(kind => (Kind)kind).ArrayOf().Resize(14).ArrayOf(2)
        from answers in Gen.Choose(0, 3).ArrayOf(12)
        from delays in Gen.Choose(0, 40).ArrayOf(12)
        from isDynamic in Gen.Elements(true, false)
        select (scripts, answers, delays, isDynamic),
        world => Play(world.scripts, world.answers, world.delays, world.isDynamic ? AddressAssignment.Dynamic : AddressAssignment.Software),
        count: 300);

    [Fact]
    public void A_configuration_is_known_as_the_device_sent_it_and_only_as_long_as_it_has_its_address()
    {
        using SharedBench bench = new(1);
        TaggedDevice device = new(1);
        bench.Controller.Usb.Ports[0].Plug(device);
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = new(bench, 0);
            guest.Start();
            _ = await guest.ResetPort();
            _ = await guest.SetAddress(9);
            bench.Manage(EhciManagementOffsets.ConfigurationSelect, 0x101);
            Assert.Equal(0u, bench.Managed(EhciManagementOffsets.ConfigurationLength));

            // Less than all of it is not enough.
            _ = await guest.Control(9, Descriptor(length: 9));
            Assert.Equal(0u, bench.Managed(EhciManagementOffsets.ConfigurationLength));
            byte[] sent = Convert.FromHexString((await guest.Control(9, Descriptor(length: 255)))["done ".Length..]);
            Assert.Equal((uint)sent.Length, bench.Managed(EhciManagementOffsets.ConfigurationLength));
            byte[] known = new byte[sent.Length];
            for (int at = 0; at < sent.Length; at++)
            {
                bench.Manage(EhciManagementOffsets.ConfigurationSelect, 0x101 | ((uint)at << 16));
                known[at] = (byte)bench.Managed(EhciManagementOffsets.ConfigurationData);
            }

            Assert.Equal(sent, known);
            bench.Manage(EhciManagementOffsets.ConfigurationSelect, 0xFFFF_0101);
            Assert.Equal(0u, bench.Managed(EhciManagementOffsets.ConfigurationData));
            _ = await guest.ResetPort();
            Assert.Equal(0u, bench.Managed(EhciManagementOffsets.ConfigurationLength));
        });
    }

    [Fact]
    public void Internal_ports_are_ports_like_others_and_root_ports_keep_their_places()
    {
        using SharedBench bench = new(2, new() { InternalPortCount = 3 });
        Assert.Equal((uint)(2 | (2 << 8) | (5 << 16) | (3 << 24)), bench.Managed(EhciManagementOffsets.Counts));
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = new(bench, 1);
            guest.Start();
            Assert.Empty(bench.Controller.Usb.Ports[1].Device is null ? "" : "taken");
            bench.Controller.InternalPortsOf(1)[2].Plug(new TaggedDevice(7));
            PortStatusControl status = new(new(bench.Register(1, EhciOperationalOffsets.FirstPort + 16)));
            Assert.True(status is { Connected: true, ConnectChange: true });
            Assert.False(new PortStatusControl(new(bench.Register(0, EhciOperationalOffsets.FirstPort + 16))).Connected);
            Assert.Equal("enabled", await guest.ResetPort(4));
            Assert.Equal("done", await guest.SetAddress(5));
            Assert.Equal("done 07", await guest.AskTag(5));
            Assert.Equal("done", await guest.Configure(5));
            Assert.Equal("done 07 to 07", await guest.Bulk(5, isIn: true, 2048));
            _ = bench.Controller.InternalPortsOf(1)[2].Unplug();
            Assert.Equal("halted", await guest.AskTag(5));
        });
        Assert.Equal(0ul, bench.TimeOf(0));
        Assert.All(Enumerable.Range(1, 127), real => Assert.Equal(AddressState.Free, bench.Controller.AddressEntryOf((byte)real).State));
    }

    [Fact]
    public void Sets_with_internal_ports_and_requests_to_hold_allocate_nothing()
    {
        using SharedBench bench = new(2, new() { InternalPortCount = 1 });
        bench.Manage(EhciManagementOffsets.Hold, 1);
        bench.Controller.InternalPortsOf(0)[0].Plug(new TaggedDevice(7));
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = new(bench, 0);
            guest.Start();
            Assert.Equal("enabled", await guest.ResetPort(2));
        });
        for (int set = 0; set < 2; set++)
            new SetLoad([512, 64], 1, [64], 0xFF).Start(bench, set);
        bench.Controller.Observer = null;
        bench.Loop.RunFor(10_000_000);
        Allocation.CheckNone(20, _ => bench.Loop.RunFor(1_250_000));
    }

    private static SetupPacket Descriptor(ushort length) => new()
    {
        In = true,
        Request = (byte)StandardRequest.GetDescriptor,
        Value = (ushort)((int)DescriptorType.Configuration << 8),
        Length = length,
    };

    private static void Play(Kind[][] scripts, int[] answers, int[] delays, AddressAssignment assignment)
    {
        using SharedBench bench = new(scripts.Length, new() { Addresses = new() { Assignment = assignment } });
        TaggedDevice[] devices = [.. scripts.Select((_, number) => new TaggedDevice((byte)(number + 1)))];
        for (int number = 0; number < devices.Length; number++)
            bench.Controller.Usb.Ports[number].Plug(devices[number]);
        bench.Manage(EhciManagementOffsets.Hold, 1);
        Software software = new(bench, devices, answers, delays);
        bool isOver = false;
        bench.Loop.Run(async () =>
        {
            bench.Loop.Start(() => software.Serve(() => isOver));
            await Task.WhenAll(scripts.Select((script, number) => Guest(bench, number, devices[number], script)));

            // Software has time to hear the rest.
            await bench.Loop.Delay(200 * MillisecondNs);
            isOver = true;
        });
        Assert.Empty(software.Open);
        Assert.Equal(0u, bench.Managed(EhciManagementOffsets.Status));
        Assert.Equal(0, bench.Strays);
    }

    private static async Task Guest(SharedBench bench, int number, TaggedDevice device, Kind[] script)
    {
        // It gives up soon: often while its request is held.
        ScheduleGuest guest = new(bench, number) { PatienceNs = 4 * MillisecondNs };
        guest.Start();
        foreach (Kind kind in script)
        {
            switch (kind)
            {
                case Kind.Enumerate:
                    if (await guest.ResetPort() == "enabled" && await guest.SetAddress(3) != "done")
                        guest.DisablePort();
                    break;
                case Kind.Configure:
                    _ = await guest.Configure(3);
                    break;
                case Kind.Unconfigure:
                    _ = await guest.Control(3, new() { Request = (byte)StandardRequest.SetConfiguration });
                    break;
                case Kind.Alternate:
                    _ = await guest.Alternate(3);
                    break;
                case Kind.Ask:
                    _ = await guest.AskTag(3);
                    break;
                case Kind.Describe:
                    _ = await guest.Control(3, Descriptor(255));
                    break;
                case Kind.Replug:
                    _ = bench.Controller.Usb.Ports[number].Unplug();
                    bench.Controller.Usb.Ports[number].Plug(device);
                    break;
                case Kind.Reset:
                    _ = guest.Reset();
                    break;
                default:
                    bench.Controller.Interfaces[number].ResetFunction();
                    bench.Controller.Interfaces[number].Configuration.Write(0x04, 2, 0b110);
                    guest.Start();
                    break;
            }
        }
    }

    /// <summary>Answers after a while, as it likes, and checks what it is told.</summary>
    private sealed class Software(SharedBench bench, TaggedDevice[] devices, int[] answers, int[] delays)
    {
        private readonly Dictionary<(uint Set, uint Address), Gate> _gates = [];
        private int _count;

        /// <summary>What was granted and has not ended.</summary>
        public HashSet<(uint Set, uint Address)> Open { get; } = [];

        public async Task Serve(Func<bool> isOver)
        {
            while (!isOver())
            {
                await bench.Loop.Delay(SharedBench.MicroframeNs);
                uint notice = bench.Managed(EhciManagementOffsets.Notice);
                if (notice >> 31 == 0)
                    continue;
                SetupPacket setup = new(new(bench.Managed(EhciManagementOffsets.SetupLow) | ((ulong)bench.Managed(EhciManagementOffsets.SetupHigh) << 32)));
                bench.Manage(EhciManagementOffsets.Notice, notice);
                bench.Loop.Start(() => Answer(notice, setup));
            }
        }

        private async Task Answer(uint notice, SetupPacket setup)
        {
            (uint set, uint address, HeldState state) = ((notice >> 8) & 0xFF, notice & 0x7F, (HeldState)((notice >> 24) & 7));
            uint answer = 0;

            // What it saw first of a device it answers first.
            Gate gate = _gates.GetValueOrDefault((set, address)) ?? new();
            _gates[(set, address)] = gate;
            await gate.Enter();
            if (state == HeldState.Asked)
            {
                (int verdict, int delay) = (answers[_count % answers.Length], delays[_count++ % delays.Length]);
                bool isAddress = setup.Request == (byte)StandardRequest.SetAddress;
                Assert.True(isAddress || !Open.Contains((set, address)));

                // As long as it is held, the device is not asked.
                byte before = devices[set].Configuration;
                int plugs = devices[set].Resets;
                await bench.Loop.Delay((ulong)delay * SharedBench.MicroframeNs);
                Assert.True(isAddress || devices[set].Resets != plugs || devices[set].Configuration == before);
                answer = verdict == 0 ? 0 : isAddress ? FreeAddress() : 1u;
                if (!isAddress && answer != 0)
                    _ = Open.Add((set, address));
            }
            else
            {
                // Gone may come at any time; an end comes where something was granted.
                bool wasOpen = Open.Remove((set, address));
                Assert.True(wasOpen || state == HeldState.Gone);
            }

            bench.Manage(EhciManagementOffsets.Answer, (notice & 0x0700_0000) | (address << 16) | (set << 8) | answer);
            gate.Leave();
        }

        private uint FreeAddress()
        {
            byte real = 1;
            while (bench.Controller.AddressEntryOf(real).State != AddressState.Free)
                real++;
            return real;
        }
    }
}
