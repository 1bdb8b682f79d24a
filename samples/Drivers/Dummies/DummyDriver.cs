using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>Reserves bus time for a device of somebody else on the same bus, as a dummy device asks: so the host's books know of it.</summary>
/// <remarks>
/// It opens the isochronous endpoints of the first setting that takes enough, and never moves data. What it had before it
/// gives back afterwards; only where there is no time for both at once, it is given back first.
/// </remarks>
public sealed class DummyDriver
{
    private static readonly Setting s_nothing = new(0, [], 0);

    private readonly UsbDeviceHandle _device;
    private readonly ReportPipe _notices;
    private readonly Setting[] _settings;
    private readonly byte[] _bytes = new byte[ReservationNotice.Size];
    private Setting _current = s_nothing;
    private List<IUsbIsochronousPipe> _pipes = [];
    private bool _isStopped;

    private DummyDriver(UsbDeviceHandle device, ReportPipe notices, Setting[] settings) =>
        (_device, _notices, _settings) = (device, notices, settings);

    /// <summary>What it has reserved, in nanoseconds of each microframe.</summary>
    public uint ReservedNs => _current.TimeNs;

    /// <summary>Opens the dummy device, and lets it know that it has a driver.</summary>
    /// <exception cref="DriverException">It is none, or does not answer.</exception>
    public static async ValueTask<DummyDriver> Start(UsbDeviceHandle device)
    {
        UsbEndpoint? endpoint = device.Configuration.Interfaces.FirstOrDefault(face => IsOfDummy(face, DummyInterface.Notices))?.Find(TransferType.Interrupt, isIn: true);
        Setting[] settings = [.. device.Configuration.Interfaces.Where(face => IsOfDummy(face, DummyInterface.Reservation)).Select(SettingOf).OrderBy(setting => setting.TimeNs)];
        if (!IsDummy(device) || endpoint is null || settings.Length == 0 || settings[0].Endpoints.Count != 0)
            throw new DriverException(DriverFailure.BadDescriptor, "The device is no dummy.");
        ReportPipe notices = await ReportPipe.Open(device, endpoint);
        try
        {
            await device.SetInterface(DummyInterface.Reservation, settings[0].Number);
        }
        catch (DriverException)
        {
            await notices.Close();
            throw;
        }

        return new(device, notices, settings);
    }

    /// <summary>Whether a device is a dummy.</summary>
    public static bool IsDummy(UsbDeviceHandle device) => device.Descriptor is { VendorId: DummyInterface.VendorId, ProductId: DummyInterface.ProductId };

    /// <summary>Does what the device asks for, until it is stopped.</summary>
    /// <exception cref="DriverException">The device does not answer any more; what was reserved is given back.</exception>
    public async Task Run()
    {
        try
        {
            while (await _notices.Read(_bytes, ulong.MaxValue) is >= 0 and int length)
            {
                if (length == ReservationNotice.Size)
                    await Follow(Packed.Read<ReservationNotice>(_bytes));
            }
        }
        finally
        {
            await Close(_pipes);
            (_pipes, _current) = ([], s_nothing);
            await Stop();
        }
    }

    /// <summary>Stops: <see cref="Run"/> ends, and what was reserved is given back.</summary>
    public async ValueTask Stop()
    {
        if (_isStopped)
            return;
        _isStopped = true;
        await _notices.Close();
    }

    private static bool IsOfDummy(UsbInterface face, byte number) =>
        face.Descriptor.Number == number && face.Descriptor is { Class: DeviceClass.VendorSpecific, Subclass: DummyInterface.Subclass };

    // What the books of a host will count, by the rule that all of them use.
    private static Setting SettingOf(UsbInterface face) => new(
        face.Descriptor.AlternateSetting,
        face.Endpoints,
        (uint)face.Endpoints.Sum(endpoint => TransactionTime.HighSpeedIsochronous(endpoint.Descriptor.MaxPacketSize * (1 + endpoint.Descriptor.AdditionalTransactions))));

    private async ValueTask Follow(ReservationNotice notice)
    {
        Setting? wanted = Array.Find(_settings, setting => setting.TimeNs >= notice.NeedNs);
        if (wanted == _current)
            return;
        if (wanted is null || !await TryMove(wanted))
            _ = await _device.Request(RequestType.Vendor, RequestRecipient.Interface, DummyInterface.Refuse, notice.Number, DummyInterface.Reservation);
    }

    private async ValueTask<bool> TryMove(Setting wanted)
    {
        List<IUsbIsochronousPipe> before = _pipes;
        List<IUsbIsochronousPipe>? opened = await TryOpen(wanted);
        if (opened is null)
        {
            await Close(before);
            opened = await TryOpen(wanted);
            if (opened is null)
            {
                _pipes = await TryOpen(_current) ?? [];
                if (_pipes.Count == 0 && _current.Endpoints.Count != 0)
                    await Choose(s_nothing);
                return false;
            }
        }
        else
        {
            await Close(before);
        }

        _pipes = opened;
        await Choose(wanted);
        return true;
    }

    private async ValueTask Choose(Setting setting)
    {
        _current = setting;
        await _device.SetInterface(DummyInterface.Reservation, setting.Number);
    }

    // All endpoints of a setting, or none.
    private async ValueTask<List<IUsbIsochronousPipe>?> TryOpen(Setting setting)
    {
        List<IUsbIsochronousPipe> pipes = [];
        try
        {
            foreach (UsbEndpoint endpoint in setting.Endpoints)
                pipes.Add(await _device.Connection.OpenIsochronous(endpoint));
            return pipes;
        }
        catch (DriverException failure) when (failure.Failure == DriverFailure.NoBandwidth)
        {
            await Close(pipes);
            return null;
        }
    }

    private static async ValueTask Close(List<IUsbIsochronousPipe> pipes)
    {
        foreach (IUsbIsochronousPipe pipe in pipes)
            await pipe.Close();
    }

    /// <summary>A setting of the second interface.</summary>
    /// <param name="Number">bAlternateSetting.</param>
    /// <param name="Endpoints">Its endpoints.</param>
    /// <param name="TimeNs">What they take of each microframe, in nanoseconds.</param>
    private sealed record Setting(byte Number, IReadOnlyList<UsbEndpoint> Endpoints, uint TimeNs);
}
