using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Hubs, and what hangs on them: keyboards and disks of any speed, behind transaction translators, all at once.</summary>
public abstract class HubDriverTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong SecondNs = 1_000_000_000;

    [Theory]
    [InlineData(UsbSpeed.Low, false)]
    [InlineData(UsbSpeed.Full, false)]
    [InlineData(UsbSpeed.High, false)]
    [InlineData(UsbSpeed.Low, true)]
    [InlineData(UsbSpeed.Full, true)]
    public void A_keyboard_behind_a_hub_is_heard_while_a_disk_beside_it_is_read(UsbSpeed speed, bool manyTranslators)
    {
        using UsbComputer machine = Computer();
        byte[] content = Content(sectors: 600);
        KeyboardDevice keyboard = new(machine.Loop, speed);
        UsbHub hub = Hub(machine, new() { HasManyTranslators = manyTranslators });
        hub.Downstream[0].Plug(keyboard);
        hub.Downstream[3].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        const string Text = "The quick brown fox, 42!";
        machine.Loop.Run(() => Use(machine, async (controller, driver) =>
        {
            IReadOnlyList<UsbDeviceHandle> devices = await driver.EnumerateAll();
            Assert.Equal(2, devices.Count);
            KeyboardDriver keys = await KeyboardDriver.Start(devices[0]);
            MassStorageDriver disk = await MassStorageDriver.Start(devices[1]);
            keyboard.Type(Text);
            Task<string> typed = Type(keys, Text.Length);
            Assert.Equal(content, await ReadAll(machine, disk));
            Assert.Equal(Text, await typed);
            await keys.SetLeds(KeyboardLeds.CapsLock);
            Assert.Equal(KeyboardLeds.CapsLock, keyboard.Leds);
            await keys.Stop();
            await disk.Stop();
            foreach (UsbDeviceHandle device in devices)
                await device.Release();
        }), PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void A_full_speed_disk_behind_two_hubs_is_read_byte_for_byte()
    {
        using UsbComputer machine = Computer();
        byte[] content = Content(sectors: 60);
        UsbHub outer = Hub(machine);
        UsbHub inner = new(machine.Loop, new() { Speed = UsbSpeed.Full });
        outer.Downstream[2].Plug(inner);
        inner.Downstream[1].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Full));
        machine.Loop.Run(() => Use(machine, async (controller, driver) =>
        {
            UsbDeviceHandle second = await UsbDeviceHandle.Enumerate(driver, 3);
            HubDriver below = await HubDriver.Start(second);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(below, 2);
            Assert.Equal((0x23u, DeviceSpeed.Full, 3), (device.Connection.Location.Route, device.Connection.Location.Speed, device.Connection.Location.Translator!.Port));
            MassStorageDriver disk = await MassStorageDriver.Start(device);
            Assert.Equal(content, await ReadAll(machine, disk));
            await disk.Stop();
            await device.Release();
            await below.Stop();
            await second.Release();
        }), PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void Plugging_and_pulling_is_told_by_the_hub_and_a_device_that_is_gone_fails_cleanly()
    {
        using UsbComputer machine = Computer();
        KeyboardDevice keyboard = new(machine.Loop, UsbSpeed.Low);
        UsbHub hub = Hub(machine);
        machine.Loop.Run(() => Use(machine, async (controller, driver) =>
        {
            Assert.Empty(await driver.NextChange(SecondNs));
            Task<IReadOnlyList<int>> change = driver.NextChange().AsTask();
            hub.Downstream[1].Plug(keyboard);
            Assert.Equal([2], await change);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(driver, 2);
            KeyboardDriver keys = await KeyboardDriver.Start(device);
            Task<KeyEvent?> key = keys.Next().AsTask();
            change = driver.NextChange().AsTask();
            hub.Downstream[1].Unplug();
            Assert.Equal([2], await change);
            DriverException failure = await Assert.ThrowsAsync<DriverException>(() => key);
            Assert.Equal(DriverFailure.NoAnswer, failure.Failure);
            await keys.Stop();
            await device.Release();
            DriverException nothing = await Assert.ThrowsAsync<DriverException>(async () => await UsbDeviceHandle.Enumerate(driver, 2));
            Assert.Equal(DriverFailure.NothingConnected, nothing.Failure);
        }), PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void A_wait_for_a_key_ends_when_time_is_up_or_the_driver_stops_and_no_key_is_lost_by_it()
    {
        using UsbComputer machine = Computer();
        KeyboardDevice keyboard = new(machine.Loop);
        machine.Ports[0].Plug(keyboard);
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, 1);
            KeyboardDriver keys = await KeyboardDriver.Start(device);
            for (int turn = 0; turn < 5; turn++)
            {
                Assert.Null(await keys.Next(SecondNs / 10));
                keyboard.Type("x");
                Assert.Equal("x", await Type(keys, 1));
                Assert.Equal(new(KeyUsage.X, IsDown: false, KeyModifiers.None), await keys.Next());
            }

            Task<KeyEvent?> key = keys.Next().AsTask();
            await controller.Processor.Delay(SecondNs);
            Assert.False(key.IsCompleted);
            await keys.Stop();
            Assert.Null(await key);
            await device.Release();
            await controller.Stop();
        }, PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void A_mouse_says_how_far_it_went()
    {
        using UsbComputer machine = Computer();
        MouseDevice mouse = new(machine.Loop);
        machine.Ports[0].Plug(mouse);
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, 1);
            MouseDriver driver = await MouseDriver.Start(device);
            mouse.Move(300, -7);
            (int x, int y) = (0, 0);
            while (await driver.Next(SecondNs / 5) is { } report)
                (x, y) = (x + report.X, y + report.Y);
            Assert.Equal((300, -7), (x, y));
            await driver.Stop();
            await device.Release();
            await controller.Stop();
        }, PatienceNs);
    }

    [Fact]
    public void A_disk_is_no_hub_and_a_keyboard_is_no_disk()
    {
        using UsbComputer machine = Computer();
        machine.Ports[0].Plug(new KeyboardDevice(machine.Loop));
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, 1);
            Assert.Equal(DriverFailure.BadDescriptor, (await Assert.ThrowsAsync<DriverException>(async () => await HubDriver.Start(device))).Failure);
            Assert.Equal(DriverFailure.BadDescriptor, (await Assert.ThrowsAsync<DriverException>(async () => await MassStorageDriver.Start(device))).Failure);
            Assert.Equal(DriverFailure.BadDescriptor, (await Assert.ThrowsAsync<DriverException>(async () => await MouseDriver.Start(device))).Failure);
            await device.Release();
            await controller.Stop();
        }, PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    private static UsbHub Hub(UsbComputer machine, UsbHubOptions? options = null)
    {
        UsbHub hub = new(machine.Loop, options);
        machine.Ports[0].Plug(hub);
        return hub;
    }

    private static async Task Use(UsbComputer machine, Func<IUsbHostController, HubDriver, Task> work)
    {
        IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
        UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, 1);
        HubDriver hub = await HubDriver.Start(device);
        await work(controller, hub);
        await hub.Stop();
        await device.Release();
        await controller.Stop();
    }

    private static async Task<string> Type(KeyboardDriver keyboard, int characters)
    {
        string text = "";
        while (text.Length < characters)
        {
            KeyEvent? pressed = await keyboard.Next(10 * SecondNs);
            Assert.NotNull(pressed);
            char character = UsLayout.CharacterOf(pressed.Value.Key, (pressed.Value.Modifiers & (KeyModifiers.LeftShift | KeyModifiers.RightShift)) != 0);
            if (pressed.Value.IsDown && character != '\0')
                text += character;
        }

        return text;
    }

    private static async Task<byte[]> ReadAll(UsbComputer machine, MassStorageDriver disk)
    {
        MemoryBuffer buffer = machine.Dma.Allocate((int)disk.BlockCount * disk.BlockBytes);
        await disk.Read(0, buffer);
        byte[] content = new byte[buffer.Length];
        buffer.Read(0, content);
        Assert.Equal(DmaRefusal.None, machine.Dma.Free(buffer));
        return content;
    }

    private static byte[] Content(int sectors)
    {
        byte[] content = new byte[sectors * 512];
        new Random(sectors).NextBytes(content);
        return content;
    }

    private protected abstract UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null);
}

/// <summary>The same on EHCI.</summary>
public sealed class EhciHubDriverTests : HubDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(device: null, fabric: fabric);
}

/// <summary>The same on xHCI.</summary>
public sealed class XhciHubDriverTests : HubDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(new XhciOptions(), fabric);
}
