using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A service VM has the controller, and others reach their devices through it.</summary>
public sealed class ServiceVmTests
{
    private const int DiskBytes = 128 * 1024;
    private const int RequestBytes = 60 * 1024;

    public static TheoryData<string, ServiceTransport, bool> Ways
    {
        get
        {
            TheoryData<string, ServiceTransport, bool> ways = [];
            foreach (string controller in UsbControllers.Names)
            {
                foreach (ServiceTransport transport in Enum.GetValues<ServiceTransport>())
                {
                    ways.Add(controller, transport, true);
                    ways.Add(controller, transport, false);
                }
            }

            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Each_VM_reads_its_own_disk_and_only_where_grants_are_copied_is_a_byte_copied(string controller, ServiceTransport transport, bool isMapped)
    {
        using ServiceMachine machine = new(new()
        {
            Controller = controller,
            Service = new() { Transport = transport },
            BackEnd = new() { CopiedBytesMax = isMapped ? 0 : int.MaxValue },
        });
        byte[][] contents = [.. Enumerable.Range(0, 2).Select(Content)];
        for (int guest = 0; guest < 2; guest++)
            machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(contents[guest])));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            Task<byte[]>[] reads = [.. Enumerable.Range(0, 2).Select(guest => Read(machine, guest))];
            for (int guest = 0; guest < 2; guest++)
                Assert.Equal(contents[guest], await reads[guest]);
        });
        ServiceCounts counts = machine.Service.Counts;
        Assert.Equal(isMapped ? 0ul : 1ul, counts.BytesCopied / (2 * DiskBytes));
        Assert.Equal(isMapped, counts.PagesMapped >= 2 * DiskBytes / 4096);
        AssertNothingIsLeft(machine);
    }

    [Theory]
    [InlineData(TransferOrder.DeficitRoundRobin, 0.95, 1)]
    [InlineData(TransferOrder.FirstComeFirstServed, 0, 0.9)]
    public void A_VM_with_more_devices_gets_no_more_than_the_others_unless_whoever_comes_first_is_served_first(TransferOrder order, double least, double most)
    {
        using ServiceMachine machine = new(new() { BackEnd = new() { Sharing = new() { Order = order } } });
        ulong[] moved = new ulong[2];
        foreach (int guest in (int[])[0, 0, 0, 1])
            machine.Plug(guest, new CountingDevice(ServedGuest.TagOf(guest)));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            for (int guest = 0; guest < 2; guest++)
            {
                IUsbHostController front = await machine.StartGuest(guest);
                for (int port = 1; port <= (guest == 0 ? 3 : 1); port++)
                {
                    // Two lanes for each endpoint: there is always one more request in the ring.
                    UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(front, port);
                    machine.Host.Loop.Start(await Reader(front, device, 2 * RequestBytes, moved, guest));
                    machine.Host.Loop.Start(await Reader(front, device, 2 * RequestBytes, moved, guest));
                }
            }

            Array.Clear(moved);
            await machine.Host.Loop.Delay(300_000_000);
        });
        Assert.All(moved, bytes => Assert.True(bytes > 200_000));
        Assert.InRange(Fairness.Jain([.. moved.Select(bytes => (double)bytes)]), least, most);
    }

    [Theory]
    [InlineData("ehci", ServiceTransport.SharedRing)]
    [InlineData("xhci", ServiceTransport.SharedRing)]
    [InlineData("ehci", ServiceTransport.Call)]
    public void The_more_requests_are_in_the_ring_the_more_gets_through_and_the_fewer_notifications_each_one_costs(string controller, ServiceTransport transport)
    {
        const int Bytes = 960 * 1024;
        List<(ulong Ns, double Notifications)> found = [];
        foreach (int depth in (int[])[1, 2, 4, 8])
        {
            using ServiceMachine machine = new(new() { Vms = 1, Controller = controller, Service = new() { Transport = transport } });
            machine.Plug(0, new CountingDevice(1));
            found.Add(machine.Host.Loop.Run(async () =>
            {
                await machine.StartService();
                IUsbHostController front = await machine.StartGuest(0);
                ulong[] moved = [0];
                machine.Host.Loop.Start(await Reader(front, await UsbDeviceHandle.Enumerate(front, 1), depth * RequestBytes, moved, 0));
                (ulong startNs, ServiceCounts before, uint requests) = (machine.Host.Loop.NowNs, machine.Service.Counts, machine.BackEnd.CountsOf(0).Responses);
                while (moved[0] < Bytes)
                    await machine.Host.Loop.Delay(10_000);
                ServiceCounts after = machine.Service.Counts;
                ulong notifications = after.NotificationsToService - before.NotificationsToService + after.NotificationsToFrontEnds - before.NotificationsToFrontEnds;
                return (machine.Host.Loop.NowNs - startNs, (double)notifications / (machine.BackEnd.CountsOf(0).Responses - requests));
            }));
        }

        for (int index = 1; index < found.Count; index++)
        {
            // A controller that tells of what it did each millisecond blurs that.
            ulong thresholdNs = controller == UsbControllers.Ehci ? 1_000_000ul : 0;
            Assert.True(found[index].Ns <= found[..index].Min(shallower => shallower.Ns) + thresholdNs, string.Join(' ', found));
            if (transport == ServiceTransport.SharedRing)
                Assert.True(found[index].Notifications < found[index - 1].Notifications * 0.7, string.Join(' ', found));
        }

        Assert.InRange(found[0].Notifications, 1.8, 2.2);
    }

    [Fact]
    public void A_VMM_that_forgets_to_give_grants_back_is_found()
    {
        using ServiceMachine machine = new(new() { Service = new() { Grants = guest => new LeakyGrants(guest.Grants) } });
        for (int guest = 0; guest < 2; guest++)
            machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(Content(guest))));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            IUsbHostController front = await machine.StartGuest(0);

            // A guest that wants its pages back is told that somebody still uses them.
            await Assert.ThrowsAsync<DriverException>(async () => await UsbDeviceHandle.Enumerate(front, port: 1));
        });
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => AssertNothingIsLeft(machine));
    }

    [Fact]
    public void Calls_of_a_service_VM_that_make_no_sense_change_nothing_and_nobody_else_can_make_them()
    {
        using ServiceMachine machine = new(new());
        machine.Plug(0, new MassStorageDevice(new MemoryDiskImage(Content(0))));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            GuestCpu service = machine.Service.Machine.Cpu;
            IUsbHostController front = await machine.StartGuest(0);
            async Task<DmaRefusal> Call(GuestCpu cpu, Hypercall number, params ulong[] arguments) =>
                (await cpu.Call(number, arguments.ElementAtOrDefault(0), arguments.ElementAtOrDefault(1), arguments.ElementAtOrDefault(2), arguments.ElementAtOrDefault(3))).Refusal;
            for (Hypercall number = Hypercall.ServeUsb; number <= Hypercall.UnmapGuest; number++)
                Assert.Equal(DmaRefusal.NotAssigned, await Call(machine.Guests[1].Cpu, number));
            Assert.Equal(DmaRefusal.BadRange, await Call(service, Hypercall.ServeUsb, 31));
            Assert.Equal(DmaRefusal.BadRange, await Call(service, Hypercall.ServeUsb, 248));
            Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.NextUsbChange));
            Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.AcceptUsb, 0, 31));
            Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.ReleaseUsb, 0));
            foreach (ulong nobody in new ulong[] { 1, 2, 8, 255 })
            {
                Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.NotifyFrontEnd, nobody));
                Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.UnmapGrants, nobody, 0x9000_0000));
                Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.MapGrants, nobody | 0x100, 0x1000, 1));
                Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.CopyGrants, nobody, 0x1000, 1, 0x2000));
            }

            Assert.Equal(DmaRefusal.BadDirection, await Call(service, Hypercall.MapGrants, 0, 0x1000, 1));
            Assert.Equal(DmaRefusal.BadDirection, await Call(service, Hypercall.MapGrants, 0x900, 0x1000, 1));
            Assert.Equal(DmaRefusal.BadRange, await Call(service, Hypercall.MapGrants, 0x100, 0x1000, 17));
            Assert.Equal(DmaRefusal.BadRange, await Call(service, Hypercall.MapGrants, 0x100, ulong.MaxValue, 1));
            Assert.Equal(DmaRefusal.Denied, await Call(service, Hypercall.CopyGrants, 0x200, 0x1000, 1, 0x2000));

            // A list of zeros means grant 0, which nobody makes, and pieces of no bytes. Rings are not for the service VM to unmap.
            Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.MapGrants, 0x100, 0x1000, 1));
            Assert.Equal(DmaRefusal.BadRange, await Call(service, Hypercall.CopyGrants, 0, 0x1000, 1, 0x2000));
            Assert.Equal(DmaRefusal.NotMapped, await Call(service, Hypercall.UnmapGrants, 0, 0x9000_0000));
            Assert.Equal(2, machine.Service.PagesMappedOf(machine.Guests[0]));
            Assert.Throws<InvalidOperationException>(() => machine.Service.Serve(machine.Guests[0]));
            Assert.Throws<InvalidOperationException>(() => new Vmm.ServiceVm(machine.Service.Machine));
            await front.Stop();
        });
        AssertNothingIsLeft(machine);
    }

    // Reads a bulk endpoint over and over.
    private static async Task<Func<Task>> Reader(IUsbHostController front, UsbDeviceHandle device, int bytes, ulong[] moved, int index)
    {
        IUsbPipe pipe = await device.Open(device.Configuration.Interfaces[0].Endpoints[0]);
        CoherentBuffer buffer = await front.Memory.AllocateCoherent(bytes);
        return async () =>
        {
            while ((await pipe.Transfer(buffer.Mapping, ulong.MaxValue)).IsCompleted)
                moved[index] += (ulong)bytes;
        };
    }

    /// <summary>Gives nothing back.</summary>
    private sealed class LeakyGrants(IGrants inner) : IGrants
    {
        public bool TryTake(uint grant, bool isWritten, out GrantedPage page) => inner.TryTake(grant, isWritten, out page);

        public void Return(GrantedPage page)
        {
        }
    }

    private static async Task<byte[]> Read(ServiceMachine machine, int guest) => await DiskReader.ReadAll(await machine.StartGuest(guest));

    private static void AssertNothingIsLeft(ServiceMachine machine)
    {
        Assert.All(machine.Guests, guest =>
        {
            Assert.Equal((0, 0ul), (guest.Grants.InUse, guest.PinnedPages));
            Assert.Equal(0, machine.Service.PagesMappedOf(guest));
        });
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[DiskBytes];
        new Random(seed).NextBytes(content);
        return content;
    }
}
