using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Hubs of several guests on one bus, all with the same addresses: their translators must not be mixed up.</summary>
public sealed class SharedHubTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const int Guests = 2;

    [Fact]
    public void Slow_disks_behind_hubs_of_several_guests_are_read_byte_for_byte() =>
        Assert.All(Read(new()), found => Assert.True(found));

    [Fact]
    public void Where_the_hub_of_a_split_is_forgotten_guests_meet_at_one_hub() =>
        Assert.Contains(false, Read(new() { ReplacesHubs = false }));

    private static bool[] Read(AddressOptions addresses)
    {
        using SharedComputer machine = new(Guests, new() { Addresses = addresses });
        byte[][] contents = [.. Enumerable.Range(0, Guests).Select(Content)];
        for (int number = 0; number < Guests; number++)
        {
            UsbHub hub = new(machine.Host.Loop);
            machine.Controller.Usb.Ports[number].Plug(hub);
            hub.Downstream[1].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number]), speed: UsbSpeed.Full));
        }

        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                return await Task.WhenAll(Enumerable.Range(0, Guests).Select(number => Read(machine, number)));
            },
            PatienceNs);
        return [.. found.Zip(contents, (bytes, content) => bytes.AsSpan().SequenceEqual(content))];
    }

    // Nothing where the drivers gave up.
    private static async Task<byte[]> Read(SharedComputer machine, int number)
    {
        PciDevice device = await machine.Open(number);
        try
        {
            EhciDriver controller = await EhciDriver.Start(device);
            HubDriver hub = await HubDriver.Start(await UsbDeviceHandle.Enumerate(controller, number + 1));
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(hub, 2));
            return await DiskReader.ReadAll(disk, device.Dma);
        }
        catch (DriverException)
        {
            return [];
        }
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[20 * 512];
        new Random(seed).NextBytes(content);
        return content;
    }
}
