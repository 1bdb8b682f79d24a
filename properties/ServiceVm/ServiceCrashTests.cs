using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The service VM crashes at any moment: all that waits is answered, nothing of anybody is left in it, and the next one goes on.</summary>
public sealed class ServiceCrashTests
{
    private const ulong PatienceNs = 60_000_000_000;
    private const int DiskBytes = 64 * 1024;

    [Fact]
    public void Whenever_the_service_VM_crashes_guests_are_told_and_go_on_with_the_next_one() =>
        Property.Check(
            (from vms in Gen.Choose(2, 4)
             from controller in Gen.Elements(UsbControllers.Ehci, UsbControllers.Xhci)
             from transport in Gen.Elements(Enum.GetValues<ServiceTransport>())
             from copied in Gen.Elements(0, int.MaxValue)
             from afterNs in Gen.Choose(0, 150_000_000)
             select (vms, new ServiceMachineOptions
             {
                 Vms = vms,
                 Controller = controller,
                 Service = new() { Transport = transport },
                 BackEnd = new() { CopiedBytesMax = copied },
             }, (ulong)afterNs)).ToArbitrary(),
            crash => Crash(crash.vms, crash.Item2, crash.Item3),
            count: 16);

    [Fact]
    public void Whenever_it_crashes_guests_whose_controllers_it_models_see_them_pulled_out_and_come_back() =>
        Property.Check(
            (from vms in Gen.Choose(2, 4)
             from controller in Gen.Elements(UsbControllers.Ehci, UsbControllers.Xhci)
             from pages in Gen.Elements((int?)null, 3, 40)
             from isZeroCopy in Gen.Elements(false, true)
             from afterNs in Gen.Choose(0, 150_000_000)
             select (vms, new ServiceMachineOptions
             {
                 Vms = vms,
                 Controller = controller,
                 Devices = ServedDevices.Model,
                 Monitor = new() { WindowPages = pages, IsZeroCopy = isZeroCopy },
             }, (ulong)afterNs)).ToArbitrary(),
            crash => Crash(crash.vms, crash.Item2, crash.Item3),
            count: 16);

    private static void Crash(int vms, ServiceMachineOptions options, ulong afterNs)
    {
        using ServiceMachine machine = new(options);
        byte[][] contents = [.. Enumerable.Range(0, vms).Select(seed => DiskReader.Content(DiskBytes / 512 + seed))];
        for (int guest = 0; guest < vms; guest++)
            machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(contents[guest])));
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.StartService();
                IUsbHostController[] fronts = new IUsbHostController[vms];
                for (int guest = 0; guest < vms; guest++)
                    fronts[guest] = await machine.StartGuest(guest);
                Task<bool>[] reads = [.. fronts.Select(ReadUntilItFails)];
                await machine.Host.Loop.Delay(afterNs);
                await machine.CrashService();

                // K1 to K5: the controller is the host's, was reset, and has no way into anybody's memory.
                Assert.Equal(AssignmentState.Host, machine.Controller.State);
                Assert.Null(machine.Controller.Domain);
                Assert.Equal(0ul, machine.Host.Frames.Pins);
                Assert.All(machine.Guests, guest => Assert.Equal((0, 0ul), (guest.Grants.InUse, guest.PinnedPages)));
                Assert.All(machine.Monitors, monitor => Assert.Equal((false, 0), (monitor.IsAlive, monitor.PagesPresent)));
                Assert.All(machine.Guests, guest => Assert.Equal((0, 0), machine.Service.WindowOf(guest)));
                Assert.All(machine.Guests, guest => Assert.Null(guest.Pci.Find(RunningService.ModelPlace)));
                foreach (Task<bool> read in reads)
                    Assert.True(await read);
                if (options.Devices == ServedDevices.FrontEnd)
                    Assert.All(fronts, front => Assert.True(front.HasStopped));

                // E5, and U4: memory of guests is theirs again, and the next service VM brings their devices back.
                foreach (IUsbHostController front in fronts)
                    await front.Stop();
                await machine.StartService();
                for (int guest = 0; guest < vms; guest++)
                    Assert.Equal(contents[guest], await DiskReader.ReadAll(await machine.StartGuest(guest)));
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    // A driver that gives up was told so; it never waits for ever.
    private static async Task<bool> ReadUntilItFails(IUsbHostController front)
    {
        try
        {
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(front, port: 1));
            MemoryBuffer buffer = front.Memory.Allocate(32 * 1024);
            while (true)
                await disk.Read(0, buffer);
        }
        catch (DriverException)
        {
            return true;
        }
    }
}
