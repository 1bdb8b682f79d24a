using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A key went down or up.</summary>
/// <param name="Key">Which key, by its place on a US keyboard; modifiers are keys, too.</param>
/// <param name="IsDown">Whether it went down.</param>
/// <param name="Modifiers">What is held from this moment on.</param>
public readonly record struct KeyEvent(KeyUsage Key, bool IsDown, KeyModifiers Modifiers);

/// <summary>A keyboard: its reports say which keys are held, and what differs between two of them happened (USB HID, boot keyboard).</summary>
public sealed class KeyboardDriver
{
    private const byte Keyboard = 1;
    private const int Modifiers = 8;

    private readonly UsbDeviceHandle _device;
    private readonly byte _interface;
    private readonly ReportPipe _reports;
    private readonly Queue<KeyEvent> _events = new();
    private readonly byte[] _bytes = new byte[KeyboardReport.Size];
    private KeyboardReport _last;

    private KeyboardDriver(UsbDeviceHandle device, byte number, ReportPipe reports) =>
        (_device, _interface, _reports) = (device, number, reports);

    /// <summary>Opens the keyboard of a device.</summary>
    /// <exception cref="DriverException">It has none.</exception>
    public static async ValueTask<KeyboardDriver> Start(UsbDeviceHandle device)
    {
        (byte number, ReportPipe reports) = await BootInterface.Open(device, Keyboard);
        return new(device, number, reports);
    }

    /// <summary>Waits for the next thing that happens to a key.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds; <see cref="ulong.MaxValue"/> for no end.</param>
    /// <returns>What happened, or null where time ran out or the driver was stopped.</returns>
    /// <exception cref="DriverException">The keyboard does not answer any more.</exception>
    public async ValueTask<KeyEvent?> Next(ulong timeoutNs = ulong.MaxValue)
    {
        ulong endNs = _device.Controller.Processor.Loop.NowNs;
        endNs = timeoutNs > ulong.MaxValue - endNs ? ulong.MaxValue : endNs + timeoutNs;
        while (_events.Count == 0)
        {
            // A report may say nothing new, and a keyboard may send such ones for ever.
            ulong nowNs = _device.Controller.Processor.Loop.NowNs;
            if (nowNs > endNs || await _reports.Read(_bytes, endNs == ulong.MaxValue ? endNs : endNs - nowNs) < 0)
                return null;
            Compare(Packed.Read<KeyboardReport>(_bytes));
        }

        return _events.Dequeue();
    }

    /// <summary>Switches the lights.</summary>
    /// <exception cref="DriverException">The keyboard does not take it.</exception>
    public async ValueTask SetLeds(KeyboardLeds leds)
    {
        TransferResult result = await _device.Send(
            RequestType.Class, RequestRecipient.Interface, (byte)HidRequest.SetReport, (ushort)HidReportType.Output << 8, _interface, new[] { (byte)leds });
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"The lights ended as {result.Status}.");
    }

    /// <summary>Lets go of the keyboard; a wait for a key ends. The device stays enumerated.</summary>
    public ValueTask Stop() => _reports.Close();

    private void Compare(KeyboardReport report)
    {
        // With too many keys held it cannot name them: it says so, and nothing else counts.
        if (report.Key1 is KeyUsage.RollOver or KeyUsage.PostFail or KeyUsage.Undefined)
            return;
        KeyModifiers changed = report.Modifiers ^ _last.Modifiers;
        for (int bit = 0; bit < Modifiers; bit++)
        {
            KeyModifiers modifier = (KeyModifiers)(1 << bit);
            if ((changed & modifier) != 0)
                _events.Enqueue(new((KeyUsage)((int)KeyUsage.LeftControl + bit), (report.Modifiers & modifier) != 0, report.Modifiers));
        }

        foreach (KeyUsage key in KeysOf(_last).Except(KeysOf(report)))
            _events.Enqueue(new(key, IsDown: false, report.Modifiers));
        foreach (KeyUsage key in KeysOf(report).Except(KeysOf(_last)))
            _events.Enqueue(new(key, IsDown: true, report.Modifiers));
        _last = report;
    }

    private static IEnumerable<KeyUsage> KeysOf(KeyboardReport report) =>
        ((KeyUsage[])[report.Key1, report.Key2, report.Key3, report.Key4, report.Key5, report.Key6]).Where(key => key > KeyUsage.Undefined);
}
