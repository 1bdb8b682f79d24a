using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A mouse: each report says how far it went since the one before, and which buttons are held (USB HID, boot mouse).</summary>
public sealed class MouseDriver
{
    private const byte Mouse = 2;

    private readonly ReportPipe _reports;
    private readonly byte[] _bytes = new byte[MouseReport.BootSize];

    private MouseDriver(ReportPipe reports) => _reports = reports;

    /// <summary>Opens the mouse of a device.</summary>
    /// <exception cref="DriverException">It has none.</exception>
    public static async ValueTask<MouseDriver> Start(UsbDeviceHandle device) => new((await BootInterface.Open(device, Mouse)).Reports);

    /// <summary>Waits for the next report.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds; <see cref="ulong.MaxValue"/> for no end.</param>
    /// <returns>The report, without a wheel; null where time ran out or the driver was stopped.</returns>
    /// <exception cref="DriverException">The mouse does not answer any more.</exception>
    public async ValueTask<MouseReport?> Next(ulong timeoutNs = ulong.MaxValue) =>
        await _reports.Read(_bytes, timeoutNs) < 0 ? null : Packed.Read<MouseReport>(_bytes);

    /// <summary>Lets go of the mouse; a wait for a report ends. The device stays enumerated.</summary>
    public ValueTask Stop() => _reports.Close();
}
