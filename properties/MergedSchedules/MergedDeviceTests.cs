using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>All kinds of devices behind one controller that runs merged schedules, with the drivers that they always have; and what goes wrong where a step is left out.</summary>
public sealed class MergedDeviceTests
{
    private const ulong PatienceNs = 60_000_000_000;
    private const string Typed = "merged";
    private const int Channels = 2;

    [Theory]
    [InlineData(MergeMethod.Software, DiscoveryMethod.Scan)]
    [InlineData(MergeMethod.Software, DiscoveryMethod.WriteProtection)]
    [InlineData(MergeMethod.Hardware, DiscoveryMethod.Scan)]
    public void A_keyboard_a_microphone_a_disk_and_a_hub_of_four_guests_work_as_if_each_had_the_bus_alone(MergeMethod method, DiscoveryMethod discovery)
    {
        using MergedComputer machine = new(4, method);
        KeyboardDevice keyboard = new(machine.Host.Loop);
        byte[] disk = DiskReader.Content(sectors: 64), slowDisk = DiskReader.Content(sectors: 20);
        UsbHub hub = new(machine.Host.Loop);
        hub.Downstream[1].Plug(new MassStorageDevice(new MemoryDiskImage(slowDisk), speed: UsbSpeed.Full));
        IUsbDevice[] devices = [keyboard, new AudioSourceDevice(machine.Host.Loop, new SineWave(hertz: 440), new() { Channels = Channels }), new MassStorageDevice(new MemoryDiskImage(disk)), hub];
        for (int number = 0; number < 4; number++)
            machine.Controller.Usb.Ports[number].Plug(devices[number]);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = discovery });
                Task<string> typing = Type(machine, keyboard);
                Task<(byte[] Sound, long Missed)> recording = Record(machine, 1);
                Task<byte[]> reading = Read(machine, 2);
                Task<byte[]> readingSlowly = ReadBehindHub(machine, 3);
                Assert.Equal(Typed, await typing);
                byte[] expected = new byte[(await recording).Sound.Length];
                new SineWave(hertz: 440).Read(expected, Channels, 48_000);
                Assert.Equal(0, (await recording).Missed);
                Assert.Equal(expected, (await recording).Sound);
                Assert.Equal(disk, await reading);
                Assert.Equal(slowDisk, await readingSlowly);
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(-3, true)]
    public void A_frame_that_is_looked_at_after_it_began_misses_slots(int ahead, bool misses)
    {
        using MergedComputer machine = new(1);
        machine.Controller.Usb.Ports[0].Plug(new AudioSourceDevice(machine.Host.Loop, new SineWave(hertz: 440)));
        long missed = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { AheadMicroframes = ahead });
                return (await Record(machine, 0)).Missed;
            },
            PatienceNs);
        Assert.Equal(misses, missed != 0);
    }

    [Theory]
    [InlineData(MergeSteps.None, false)]
    [InlineData(MergeSteps.Windows, true)]
    [InlineData(MergeSteps.Addresses, true)]
    [InlineData(MergeSteps.Overlay, true)]
    public void Without_windows_addresses_or_an_overlay_of_its_own_a_guest_does_not_find_what_is_on_its_disk(MergeSteps without, bool fails)
    {
        using MergedComputer machine = new(2);
        byte[][] contents = [.. Enumerable.Range(0, 2).Select(number => DiskReader.Content(sectors: 512 + number))];
        for (int number = 0; number < 2; number++)
            machine.Controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Without = without });
                return await Task.WhenAll(Enumerable.Range(0, 2).Select(number => Read(machine, number)));
            },
            10 * PatienceNs);
        Assert.Equal(fails, !found[0].SequenceEqual(contents[0]) || !found[1].SequenceEqual(contents[1]));
    }

    private static async Task<string> Type(MergedComputer machine, KeyboardDevice keyboard)
    {
        EhciDriver driver = await EhciDriver.Start(await machine.Open(0));
        KeyboardDriver keys = await KeyboardDriver.Start(await UsbDeviceHandle.Enumerate(driver, 1));
        keyboard.Type(Typed);
        string text = "";
        while (text.Length < Typed.Length)
        {
            KeyEvent key = (await keys.Next())!.Value;
            if (key.IsDown)
                text += UsLayout.CharacterOf(key.Key, shift: false);
        }

        return text;
    }

    private static async Task<(byte[] Sound, long Missed)> Record(MergedComputer machine, int number)
    {
        EhciDriver driver = await EhciDriver.Start(await machine.Open(number));
        AudioDriver audio = AudioDriver.Find(await UsbDeviceHandle.Enumerate(driver, number + 1));
        AudioStream stream = await audio.Start(48_000);
        byte[] sound = new byte[48 * audio.FrameBytes * 300];
        try
        {
            await stream.Record(sound);
        }
        catch (DriverException)
        {
            // Nothing came for so long that the driver gave up.
        }

        return (sound, stream.PacketsLost + stream.IntervalsSkipped);
    }

    // Nothing where the drivers gave up.
    internal static async Task<byte[]> Read(MergedComputer machine, int number)
    {
        PciDevice device = await machine.Open(number);
        try
        {
            return await DiskReader.ReadAll(device, number + 1);
        }
        catch (DriverException)
        {
            return [];
        }
    }

    private static async Task<byte[]> ReadBehindHub(MergedComputer machine, int number)
    {
        PciDevice device = await machine.Open(number);
        EhciDriver driver = await EhciDriver.Start(device);
        HubDriver hub = await HubDriver.Start(await UsbDeviceHandle.Enumerate(driver, number + 1));
        return await DiskReader.ReadAll(await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(hub, 2)), device.Dma);
    }
}
