using Dma.Drivers;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests behind one service VM, against the same guest alone with a controller of its own.</summary>
public sealed class ServiceProgramTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong VmmBytes = 8 << 20;

    [Fact]
    public void Each_guest_finds_what_it_would_find_alone_with_a_controller_of_its_own()
    {
        int slots = 0;
        Property.Check(Arb.From(Programs(), Smaller), program => slots += Compare(program), count: 500);
        Assert.True(slots > 2_000, $"{slots} slots of streams were due.");
    }

    [Fact]
    public void A_stream_of_which_too_little_is_under_way_misses_slots_and_is_found()
    {
        ServiceProgram program = new([[new(DeviceUse.Stream, 4)]], UsbControllers.Ehci, ServedDevices.FrontEnd, null, false, ServiceTransport.SharedRing, int.MaxValue, 1, 300_000);
        Assert.NotEqual(0, Compare(program));
        _ = Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Compare(program, underWay: ServedGuest.UnderWay - 1));
    }

    private static Gen<ServiceProgram> Programs() =>
        from guests in Gen.Choose(1, 4)
        from steps in Gen.ArrayOf(DeviceSteps.WithStreams.ArrayOf(), guests)
        from controller in Gen.Frequency((3, Gen.Constant(UsbControllers.Ehci)), (1, Gen.Constant(UsbControllers.Xhci)))
        from devices in Gen.Elements(Enum.GetValues<ServedDevices>())
        from pages in Gen.Elements((int?)null, 5, 40)
        from isZeroCopy in Gen.Elements(false, true)
        from transport in Gen.Elements(Enum.GetValues<ServiceTransport>())
        from copied in Gen.Elements(0, 1024, int.MaxValue)
        from slots in Gen.Choose(1, 4)
        from jitterNs in Gen.Elements(0, 300_000)
        select new ServiceProgram([.. steps.Select(own => own.Take(5).ToArray())], controller, devices, pages, isZeroCopy, transport, copied, slots, (ulong)jitterNs);

    private static IEnumerable<ServiceProgram> Smaller(ServiceProgram program) =>
        DeviceSteps.Smaller(program.Guests).Select(guests => program with { Guests = guests });

    // How many slots of streams were due.
    private static int Compare(ServiceProgram program, int underWay = ServedGuest.UnderWay)
    {
        int guests = program.Guests.Length;
        ReachWatch watch = new();
        ModelWatch models = new();
        using ServiceMachine machine = new(new()
        {
            Vms = guests,
            VmmBytes = VmmBytes,
            Controller = program.Controller,
            Devices = program.Devices,
            Monitor = new() { WindowPages = program.WindowPages, IsZeroCopy = program.IsZeroCopy },
            Service = new() { Transport = program.Transport, JitterNsMax = program.JitterNs },
            BackEnd = new() { CopiedBytesMax = program.CopiedBytesMax, Sharing = new() { Slots = program.Slots } },
            Watch = watch.Watch,
            WatchModels = models.Around,
        });
        watch.Machine = machine;
        ServedGuest[] served = [.. Enumerable.Range(0, guests).Select(number => new ServedGuest(machine, number, underWay))];
        for (int number = 0; number < guests; number++)
            machine.Plug(number, served[number].Device);
        List<MicroframeWatch> buses = [.. machine.Buses.Where(static bus => bus.Speed == UsbSpeed.High).Select(bus => new MicroframeWatch(bus, machine.Host.Loop))];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.StartService();
                buses.AddRange(machine.Guests.SelectMany(guest => MicroframeWatch.Of(guest.Pci.Find(RunningService.ModelPlace), machine.Host.Loop)));
                ServiceBounds bounds = new(machine);
                Task looking = bounds.Look();
                await Task.WhenAll(served.Select((guest, number) => guest.Run(async () => await machine.StartGuest(number), program.Guests[number])));
                bounds.Stop();
                await looking;
            },
            PatienceNs);
        for (int number = 0; number < guests; number++)
            Assert.Equal(Alone(program, number), served[number].Transcript);
        // A front end has each slot from the first on; a model has nothing to show before the first row of the host is there, and all from then on.
        foreach (StreamSpan stream in served.SelectMany(static guest => guest.Streams))
        {
            Assert.Equal(stream.Late, stream.Missed);
            Assert.InRange(stream.Late, 0, program.Devices == ServedDevices.Model ? ServedGuest.ModelSlotsMax : 0);
        }

        Assert.Equal(0ul, machine.Host.Faults.Total);
        Assert.Empty(watch.Wrongs);
        Assert.Equal((program.Devices == ServedDevices.Model, 0ul, 0ul), (models.Interrupts != 0, models.Premature, models.Unseen));

        // U5, of the bus that is there and of those that are modelled.
        Assert.All(buses, static bus => bus.Check());
        int real = program.Controller == UsbControllers.Ehci ? 1 : guests;
        Assert.Equal(program.Devices == ServedDevices.Model ? real + guests : real, buses.Count(static bus => bus.UsedNsMax != 0));

        // E2: with nothing under way, nothing but rings is mapped, and a VM that has ended has nothing mapped or pinned.
        bool hasRings = program.Devices == ServedDevices.FrontEnd;
        int ringPages = hasRings && program.Transport == ServiceTransport.SharedRing ? 2 : 0;
        Assert.All(machine.Guests, guest => Assert.Equal(guest.IsRunning ? ringPages : 0, machine.Service.PagesMappedOf(guest)));
        Assert.All(machine.Guests, guest => Assert.Equal(guest.IsRunning && hasRings ? 2ul : 0, guest.PinnedPages));
        Assert.Equal((ulong)machine.Monitors.Sum(monitor => monitor.PagesPresent), machine.Host.Frames.Pins - (ulong)machine.Host.Machines.Sum(vm => (long)vm.PinnedPages));
        Assert.All(machine.Guests.Zip(machine.Monitors), pair => Assert.Equal((pair.Second.PagesPresent, 0), machine.Service.WindowOf(pair.First)));
        return served.Sum(static guest => guest.Slots.Due);
    }

    private static List<string> Alone(ServiceProgram program, int number)
    {
        using DirectComputer direct = new(program.Controller);
        SteppingGuest solo = new(direct.Host, direct.Machine, direct.Socket, ServedGuest.TagOf(number));
        direct.Host.Loop.Run(async () => await solo.Run(await direct.Open(), UsbHostControllers.Start, program.Guests[number]), PatienceNs);
        return solo.Transcript;
    }

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="Controller">Which controller the service VM has.</param>
    /// <param name="Devices">How guests have their devices.</param>
    /// <param name="WindowPages">How many pages the windows have of processes that model controllers; null for all.</param>
    /// <param name="IsZeroCopy">Whether their bulk data goes straight to pages of guests.</param>
    /// <param name="Transport">How requests come to it.</param>
    /// <param name="CopiedBytesMax">Up to how many bytes are copied.</param>
    /// <param name="Slots">How many transfers are under way at a time.</param>
    /// <param name="JitterNs">How much later than it was woken it runs at most.</param>
    private sealed record ServiceProgram(DeviceStep[][] Guests, string Controller, ServedDevices Devices, int? WindowPages, bool IsZeroCopy, ServiceTransport Transport, int CopiedBytesMax, int Slots, ulong JitterNs)
    {
        public override string ToString() =>
            $"{Controller} {Devices} {WindowPages} {(IsZeroCopy ? "direct " : "")}{Transport} copies {CopiedBytesMax} slots {Slots} jitter {JitterNs}: {string.Join(" | ", Guests.Select(own => string.Join(", ", own)))}";
    }
}
