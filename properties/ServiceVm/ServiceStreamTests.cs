using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Streams whose service VM crashes, or whose device is pulled out: slots are missed until the next stream begins, and no others; streams beside them miss none.</summary>
public sealed class ServiceStreamTests
{
    private const ulong PatienceNs = 60_000_000_000;
    private const ulong SlotNs = 1_000_000;
    private const int Rows = 12;
    private const int RowSlots = 8;

    // A row that the service VM puts together, and what drivers of guest and host leave before they begin.
    private const ulong StartNs = (RowSlots + 6) * SlotNs;

    [Fact]
    public void A_stream_misses_slots_while_its_service_VM_or_its_device_is_away_and_streams_of_others_miss_none()
    {
        int cut = 0;

        // All streams have begun by then, and rows are left that nobody has queued yet.
        Property.Check(
            (from vms in Gen.Choose(2, 3)
             from controller in Gen.Elements(UsbControllers.Ehci, UsbControllers.Xhci)
             from devices in Gen.Elements(Enum.GetValues<ServedDevices>())
             from transport in Gen.Elements(Enum.GetValues<ServiceTransport>())
             from crashes in Gen.Elements(true, false)
             from afterNs in Gen.Choose((int)StartNs, (Rows - 5) * RowSlots * (int)SlotNs)
             select (new ServiceMachineOptions { Vms = vms, Controller = controller, Devices = devices, Service = new() { Transport = transport } }, crashes, (ulong)afterNs)).ToArbitrary(),
            program => cut += Play(program.Item1, program.crashes, program.Item3),
            count: 16);
        Assert.True(cut > 8, $"{cut} streams were cut off.");
    }

    // How many streams were cut off.
    private static int Play(ServiceMachineOptions options, bool crashes, ulong afterNs)
    {
        using ServiceMachine machine = new(options);
        IReadOnlyDictionary<IUsbDevice, List<ulong>> packets = StreamWatch.Watch(machine.Buses, machine.Host.Loop);
        CountingDevice[] devices = [.. Enumerable.Range(0, options.Vms).Select(guest => machine.Plug(guest, new CountingDevice(ServedGuest.TagOf(guest))))];
        int disturbed = crashes ? options.Vms : 1;
        (ulong fromNs, ulong toNs) = (0, 0);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.StartService();
                Stream[] streams = new Stream[options.Vms];
                for (int guest = 0; guest < options.Vms; guest++)
                    streams[guest] = await Stream.Open(await machine.StartGuest(guest));
                foreach (Stream stream in streams)
                    stream.Begin();
                await machine.Host.Loop.Delay(afterNs);
                fromNs = machine.Host.Loop.NowNs;
                await (crashes ? machine.CrashService() : machine.Detach(0, machine.Devices[0]));
                for (int guest = 0; guest < disturbed; guest++)
                    Assert.False(await streams[guest].Whole);

                // The devices come back, and so do their streams.
                IUsbHostController[] drivers = new IUsbHostController[disturbed];
                if (crashes)
                {
                    foreach (Stream stream in streams)
                        await stream.Driver.Stop();
                    await machine.StartService();
                    for (int guest = 0; guest < disturbed; guest++)
                        drivers[guest] = await machine.StartGuest(guest);
                }
                else
                {
                    await streams[0].Close();
                    Assert.True(await machine.Devices[0].Reset() && await machine.Attach(0, machine.Devices[0]));
                    drivers[0] = streams[0].Driver;
                }

                for (int guest = 0; guest < disturbed; guest++)
                    streams[guest] = await Stream.Open(drivers[guest]);
                foreach (Stream stream in streams.Take(disturbed))
                    stream.Begin();
                toNs = machine.Host.Loop.NowNs + StartNs;
                foreach (Stream stream in streams)
                    Assert.True(await stream.Whole);
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
        for (int guest = 0; guest < options.Vms; guest++)
            CheckSlots(packets[devices[guest]], guest < disturbed ? (fromNs, toNs) : null, options.Devices == ServedDevices.Model ? ServedGuest.ModelSlotsMax : 0);
        return disturbed;
    }

    // From the first packet on the device is asked in each slot, but for those of a time in which somebody was away.
    private static void CheckSlots(List<ulong> packetsNs, (ulong FromNs, ulong ToNs)? away, int lateMax)
    {
        int gaps = 0;
        for (int index = 1; index < packetsNs.Count; index++)
        {
            (ulong before, ulong after) = (packetsNs[index - 1], packetsNs[index]);
            if (after - before <= SlotNs + (WireTime.MicroframeNs / 2))
                continue;
            gaps++;
            Assert.True(away is { } time && before + (2 * SlotNs) > time.FromNs && after < time.ToNs, $"Slots from {before} ns to {after} ns were missed; away {away}.");
        }

        Assert.Equal(away is null ? 0 : 1, gaps);
        Assert.True(packetsNs.Count >= (Rows * RowSlots) - lateMax, $"{packetsNs.Count}");
    }

    /// <summary>A stream of a guest, with as many transfers under way as it takes.</summary>
    private sealed class Stream
    {
        private readonly UsbDeviceHandle _device;
        private readonly IUsbIsochronousPipe _pipe;

        private Stream(UsbDeviceHandle device, IUsbIsochronousPipe pipe) => (_device, _pipe) = (device, pipe);

        /// <summary>The driver of the controller that the guest sees.</summary>
        public IUsbHostController Driver => _device.Controller;

        /// <summary>Whether something came in each slot from the first on, once it is over.</summary>
        public Task<bool> Whole { get; private set; } = null!;

        /// <summary>Finds the device, and chooses the setting that streams.</summary>
        public static async Task<Stream> Open(IUsbHostController driver)
        {
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(driver, port: 1);
            UsbInterface setting = device.Configuration.Interfaces.First(static face => face.Endpoints.Any(static endpoint => endpoint.Address == CountingDevice.EndpointOf(DeviceUse.Stream)));
            IUsbIsochronousPipe pipe = await device.Connection.OpenIsochronous(setting.Endpoints[0]);
            await device.SetInterface(setting.Descriptor.Number, setting.Descriptor.AlternateSetting);
            return new(device, pipe);
        }

        /// <summary>Begins.</summary>
        public void Begin() => Whole = Run();

        /// <summary>Lets go of a device that is gone.</summary>
        public async Task Close()
        {
            await _pipe.Close();
            await _device.Release();
        }

        private async Task<bool> Run()
        {
            MemoryBuffer buffer = Driver.Memory.Allocate(RowSlots * _pipe.PacketBytesMax);
            DmaMapping mapping = (await Driver.Memory.Map(buffer, DmaDirection.FromDevice)).Mapping;
            IsochronousPacket[][] packets = [.. Enumerable.Range(0, Rows).Select(_ => Enumerable.Range(0, RowSlots).Select(slot => new IsochronousPacket(slot * _pipe.PacketBytesMax, _pipe.PacketBytesMax)).ToArray())];
            List<Task<IsochronousResult>> rows = [];
            foreach (IsochronousPacket[] row in packets)
            {
                if (rows.Count >= ServedGuest.UnderWay && (await rows[^ServedGuest.UnderWay]).Status != TransferStatus.Completed)
                    break;
                rows.Add(_pipe.Transfer(mapping, row).AsTask());
            }

            // That the time of a packet came and went is no error: what counts is whether anything came in it, from the first one on.
            int skipped = (await Task.WhenAll(rows)).Sum(static row => row.IntervalsSkipped);
            return skipped == 0 && packets.SelectMany(static row => row).SkipWhile(static packet => packet.Moved == 0).All(static packet => packet.Moved != 0)
                && packets[^1][^1].Moved != 0;
        }
    }
}
