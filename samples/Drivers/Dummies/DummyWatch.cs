namespace Dma.Drivers;

/// <summary>Looks after the ports of a controller at which dummy devices may come and go, as the part of a guest that knows of plugs would.</summary>
/// <param name="controller">The controller.</param>
/// <param name="firstPort">The first such port, from 1; those behind it are watched too.</param>
public sealed class DummyWatch(EhciDriver controller, int firstPort)
{
    private const ulong LookNs = 10_000_000;

    private readonly DummyDriver?[] _drivers = new DummyDriver?[controller.PortCount + 1];

    /// <summary>What all drivers have reserved, in nanoseconds of each microframe.</summary>
    public uint ReservedNs => (uint)_drivers.Sum(driver => driver?.ReservedNs ?? 0);

    /// <summary>Dummies that have a driver.</summary>
    public int Count => _drivers.Count(driver => driver is not null);

    /// <summary>Begins to watch; ends by itself when the controller stops.</summary>
    public void Start()
    {
        for (int port = firstPort; port <= controller.PortCount; port++)
        {
            int watched = port;
            controller.Processor.Loop.Start(() => Watch(watched));
        }
    }

    private async Task Watch(int port)
    {
        while (!controller.HasStopped)
        {
            if (controller.LookAt(port).Connected)
                await Try(() => Serve(port));
            await controller.Processor.Delay(LookNs);
        }
    }

    // What goes away in the midst of anything, be it the controller, has none of this any more; the port is looked at again.
    private static async Task Try(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (DriverException)
        {
        }
    }

    private async Task Serve(int port)
    {
        UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(controller, port);
        try
        {
            if (!DummyDriver.IsDummy(device))
                return;
            DummyDriver driver = await DummyDriver.Start(device);
            _drivers[port] = driver;
            controller.Processor.Loop.Start(() => Try(() => StopWhenUnplugged(driver, port)));
            await driver.Run();
        }
        finally
        {
            _drivers[port] = null;
            await device.Release();
        }
    }

    // A driver that waits for a notice does not notice by itself that nobody is there any more.
    private async Task StopWhenUnplugged(DummyDriver driver, int port)
    {
        while (_drivers[port] == driver)
        {
            await controller.Processor.Delay(LookNs);
            if (controller.LookAt(port) is { Connected: false } or { Changed: true })
                await driver.Stop();
        }
    }
}
