using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A human interface device with one interrupt endpoint and reports without numbers (USB HID 1.11).</summary>
/// <remarks>
/// It answers NAK while the host knows everything, and repeats itself when the idle duration is over. Idle durations
/// pass in virtual time, but nothing is planned for them: the host polls anyway.
/// </remarks>
public abstract class HidDevice : StandardDevice
{
    private const ulong IdleUnitNs = 4_000_000;

    private readonly EventLoop _loop;
    private readonly HidDescription _description;
    private readonly byte[] _report;
    private int _reportLength;
    private bool _isUnderWay;
    private ulong _lastReportNs;
    private byte _idle;

    private protected HidDevice(EventLoop loop, UsbSpeed speed, HidDescription description)
        : base(speed, description.At(speed))
    {
        _loop = loop;
        _description = description;
        _report = new byte[description.ReportMax];
    }

    /// <summary>The form of the reports.</summary>
    public HidProtocol Protocol { get; private set; } = HidProtocol.Report;

    /// <summary>After how long without news a report is repeated, in milliseconds; 0 for never.</summary>
    public int IdleMs => 4 * _idle;

    /// <summary>Whether there is something that the host does not know yet.</summary>
    private protected abstract bool HasNews { get; }

    /// <summary>Takes the next report with news.</summary>
    /// <returns>Its bytes.</returns>
    private protected abstract int TakeReport(Span<byte> report);

    /// <summary>The report that tells how things are, without news.</summary>
    /// <returns>Its bytes.</returns>
    private protected abstract int CurrentReport(Span<byte> report);

    /// <summary>Forgets the news that the host has not fetched.</summary>
    private protected abstract void ForgetNews();

    /// <summary>The output report as the host set it last.</summary>
    /// <returns>Its bytes, or <see cref="StandardDevice.Refused"/> where there is none.</returns>
    private protected virtual int OutputReport(Span<byte> report) => Refused;

    /// <summary>The host sets the output report.</summary>
    /// <returns><c>false</c> where there is none of that length.</returns>
    private protected virtual bool SetOutputReport(ReadOnlySpan<byte> report) => false;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        Protocol = HidProtocol.Report;
        _idle = _description.DefaultIdle;
        _isUnderWay = false;
        ForgetNews();
    }

    /// <inheritdoc/>
    protected override void OnConfigured() => _lastReportNs = _loop.NowNs;

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => UsbReply.Stall;

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (!_isUnderWay)
        {
            bool isIdleOver = _idle != 0 && _loop.NowNs - _lastReportNs >= _idle * IdleUnitNs;
            if (!HasNews && !isIdleOver)
                return UsbReply.Nak;
            _reportLength = HasNews ? TakeReport(_report) : CurrentReport(_report);
            _isUnderWay = true;
        }

        _report.AsSpan(0, _reportLength).CopyTo(packet);
        return UsbReply.Data(endpoint.Toggle, _reportLength);
    }

    /// <inheritdoc/>
    protected override void OnAcknowledged(DeviceEndpoint endpoint)
    {
        _isUnderWay = false;
        _lastReportNs = _loop.NowNs;
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        if (setup is not { Recipient: RequestRecipient.Interface, Index: 0 })
            return Refused;
        if (setup.Type == RequestType.Standard)
            return GetDescriptor(setup, data);
        return setup.Type == RequestType.Class && Configuration != 0 ? ClassRequest(setup, data) : Refused;
    }

    private static int Copy(ReadOnlySpan<byte> bytes, Span<byte> data)
    {
        int length = Math.Min(bytes.Length, data.Length);
        bytes[..length].CopyTo(data);
        return length;
    }

    private int GetDescriptor(in SetupPacket setup, Span<byte> data) => setup.Value switch
    {
        (int)DescriptorType.Hid << 8 => Copy(_description.HidDescriptor, data),
        (int)DescriptorType.HidReport << 8 => Copy(_description.ReportDescriptor, data),
        _ => Refused,
    };

    private int ClassRequest(in SetupPacket setup, Span<byte> data)
    {
        // The lower byte of wValue is the number of a report, which these devices do not have.
        byte high = (byte)(setup.Value >> 8);
        byte low = (byte)setup.Value;
        switch ((HidRequest)setup.Request)
        {
            case HidRequest.GetReport when setup.In && low == 0:
                return GetReport((HidReportType)high, data);
            case HidRequest.SetReport when !setup.In && low == 0 && (HidReportType)high == HidReportType.Output:
                return SetOutputReport(data) ? 0 : Refused;
            case HidRequest.GetIdle when setup is { In: true, Length: 1, Value: 0 }:
                return Copy([_idle], data);
            case HidRequest.SetIdle when setup.Length == 0 && low == 0:
                _idle = high;
                return 0;
            case HidRequest.GetProtocol when setup is { In: true, Length: 1, Value: 0 }:
                return Copy([(byte)Protocol], data);
            case HidRequest.SetProtocol when setup.Length == 0 && setup.Value <= (int)HidProtocol.Report:
                Protocol = (HidProtocol)low;
                return 0;
            default:
                return Refused;
        }
    }

    private int GetReport(HidReportType type, Span<byte> data)
    {
        Span<byte> report = stackalloc byte[_report.Length];
        int length = type switch
        {
            HidReportType.Input => CurrentReport(report),
            HidReportType.Output => OutputReport(report),
            _ => Refused,
        };
        return length < 0 ? Refused : Copy(report[..length], data);
    }
}
