using Dma.Drivers;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>The software of one VM: the driver of its controller, that of its stream, and those of its dummies.</summary>
internal sealed class DummyVmSoftware
{
    private readonly UsbDeviceHandle _device;
    private readonly IsochronousDriver _stream;
    private readonly DummyWatch? _dummies;

    private DummyVmSoftware(EhciDriver controller, UsbDeviceHandle device, DummyWatch? dummies) =>
        (Controller, _device, _stream, _dummies) = (controller, device, IsochronousDriver.Open(device), dummies);

    /// <summary>The driver of its controller.</summary>
    public EhciDriver Controller { get; }

    /// <summary>Slots of its stream that were due, and how many of them nothing was moved in.</summary>
    public (ulong Due, ulong Missed) Slots => (_stream.Due, _stream.Missed);

    /// <summary>The setting of its stream; 0 moves nothing.</summary>
    public byte Setting => _stream.Setting;

    /// <summary>What it has reserved for devices of others, in nanoseconds of each microframe.</summary>
    public uint MirroredNs => _dummies?.ReservedNs ?? 0;

    /// <summary>Whether it has a driver for dummies.</summary>
    public bool HasDummyDriver => _dummies is not null;

    /// <summary>What is reserved in its fullest microframe, in nanoseconds.</summary>
    public uint ReservedNsMax => Controller.ReservedNs.IsEmpty ? 0 : Controller.ReservedNs.ToArray().Max();

    /// <summary>Starts its drivers.</summary>
    /// <param name="device">Its controller.</param>
    /// <param name="port">The port of its device, from 1.</param>
    /// <param name="firstDummy">The first port at which dummies come; null where it has no driver for them.</param>
    public static async Task<DummyVmSoftware> Start(IDevice device, int port, int? firstDummy)
    {
        EhciDriver controller = await EhciDriver.Start(device);
        DummyWatch? dummies = firstDummy is { } first ? new(controller, first) : null;
        dummies?.Start();
        return new(controller, await UsbDeviceHandle.Enumerate(controller, port), dummies);
    }

    /// <summary>Chooses a setting of its stream.</summary>
    /// <returns>Whether it was to be had.</returns>
    public async Task<bool> Choose(byte setting)
    {
        try
        {
            await _stream.Choose(setting);
            return true;
        }
        catch (DriverException failure) when (failure.Failure is DriverFailure.NoBandwidth or DriverFailure.RequestRefused)
        {
            return false;
        }
    }

    /// <summary>Sends on an endpoint of a setting that it never asked for, as long as its controller runs.</summary>
    /// <param name="setting">A setting that sends to the device.</param>
    /// <param name="pipes">How often in each microframe.</param>
    public Task Lie(byte setting, int pipes) => LyingGuest.Start(Controller, _device, setting, pipes);
}
