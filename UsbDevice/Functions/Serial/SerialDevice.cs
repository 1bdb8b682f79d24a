using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A serial port (USB CDC PSTN 1.2, abstract control model).</summary>
/// <remarks>
/// What the host sends waits at the far end until somebody reads it there, and the other way round; where no room is
/// left, the host is told to wait, and nothing is lost. The line itself takes no time.
/// </remarks>
public sealed class SerialDevice : StandardDevice
{
    /// <summary>Bytes that wait on their way, in each direction.</summary>
    public const int BufferBytes = 4096;

    private const int NoPacket = -1;
    private const byte NotifySerialState = 0x20;
    private const ushort BreakUntilEnded = 0xFFFF;
    private const ulong Millisecond = 1_000_000;

    // These are told once; the others last.
    private const SerialLines Irregular = SerialLines.Break | SerialLines.Ring | SerialLines.FramingError | SerialLines.ParityError | SerialLines.Overrun;

    private readonly EventLoop _loop;
    private readonly int _maxPacket;
    private readonly bool _loopsBack;
    private readonly ByteQueue _toHost = new(BufferBytes);
    private readonly ByteQueue _toLine = new(BufferBytes);
    private SerialLines _lines;
    private SerialLines _irregular;
    private SerialStateNotification _notification;
    private bool _hasNews;
    private bool _isNotifying;
    private bool _endsWithEmptyPacket;
    private int _inFlight = NoPacket;
    private ulong _breakEndNs;

    /// <summary>A serial port.</summary>
    /// <param name="loop">The time that it lives in.</param>
    /// <param name="speed">Full or high.</param>
    /// <param name="loopsBack">Whether a plug at the far end sends all that comes back again, and ties the lines together: DTR to DSR and DCD.</param>
    /// <exception cref="ArgumentException">There is no such port at that speed.</exception>
    public SerialDevice(EventLoop loop, UsbSpeed speed = UsbSpeed.High, bool loopsBack = false)
        : base(speed, SerialDescriptors.Of(speed))
    {
        _loop = loop;
        _maxPacket = SerialDescriptors.MaxPacketOf(speed);
        _loopsBack = loopsBack;
    }

    /// <summary>How bits travel on the line, as the host set it; a reset brings back 9600 bits per second, 8 bits, no parity.</summary>
    public LineCoding LineCoding { get; private set; } = DefaultCoding;

    /// <summary>The lines that the host raised.</summary>
    public ControlLines ControlLines { get; private set; }

    /// <summary>Whether the host sends a break now.</summary>
    public bool IsBreaking => _loop.NowNs < _breakEndNs;

    /// <summary>The lines that the far end raised.</summary>
    public SerialLines Lines => _lines;

    /// <summary>Bytes from the host that nobody at the far end has read.</summary>
    public int Available => _toLine.Count;

    private static LineCoding DefaultCoding => new() { Rate = 9600, DataBits = 8 };

    // Where the bytes of the host go.
    private ByteQueue Target => _loopsBack ? _toHost : _toLine;

    /// <summary>The far end reads what the host sent.</summary>
    /// <param name="destination">Room.</param>
    /// <returns>How many bytes came.</returns>
    public int Read(Span<byte> destination)
    {
        int count = Math.Min(destination.Length, _toLine.Count);
        _toLine.Peek(destination[..count]);
        _toLine.Skip(count);
        return count;
    }

    /// <summary>The far end sends data to the host; a host that sleeps is woken where it allowed that.</summary>
    /// <returns>How many bytes found room; those that did not were not sent.</returns>
    public int Write(ReadOnlySpan<byte> source)
    {
        int count = Math.Min(source.Length, _toHost.Room);
        _toHost.Append(source[..count]);
        if (count != 0)
            Wake();
        return count;
    }

    /// <summary>The far end raises and drops lines, or reports something irregular, which is told once.</summary>
    /// <param name="lines">Carrier and data set ready as they are now, with whatever irregular happened.</param>
    public void Signal(SerialLines lines)
    {
        SerialLines lasting = lines & ~Irregular;
        _hasNews |= lasting != _lines || (lines & Irregular) != 0;
        _lines = lasting;
        _irregular |= lines & Irregular;
        if (_hasNews)
            Wake();
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        LineCoding = DefaultCoding;
        ControlLines = ControlLines.None;
        _breakEndNs = 0;
        _irregular = SerialLines.None;
        if (_loopsBack)
            _lines = SerialLines.None;
        _toHost.Clear();
        _toLine.Clear();
        Restart();
    }

    /// <inheritdoc/>
    protected override void OnConfigured() => Restart();

    /// <inheritdoc/>
    protected override bool IsReadyFor(DeviceEndpoint endpoint) => Target.Room >= _maxPacket;

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        if (data.Length > Target.Room)
            return UsbReply.Nak;
        Target.Append(data);
        return UsbReply.Ack;
    }

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) => endpoint.Descriptor.Number == SerialDescriptors.DataIn
        ? SendData(endpoint, packet)
        : SendNotification(endpoint, packet);

    /// <inheritdoc/>
    protected override void OnAcknowledged(DeviceEndpoint endpoint)
    {
        if (endpoint.Descriptor.Number != SerialDescriptors.DataIn)
        {
            _isNotifying = false;
            _irregular &= ~_notification.Lines;
            _hasNews = _irregular != SerialLines.None || _lines != (_notification.Lines & ~Irregular);
            return;
        }

        // A host that asked for more learns from an empty packet that a full one was the last.
        _endsWithEmptyPacket = _inFlight == _maxPacket && _toHost.Count == _inFlight;
        _toHost.Skip(_inFlight);
        _inFlight = NoPacket;
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        bool isMine = setup is { Type: RequestType.Class, Recipient: RequestRecipient.Interface, Index: SerialDescriptors.ControlInterface };
        if (!isMine || Configuration == 0)
            return Refused;
        switch ((CdcRequest)setup.Request)
        {
            case CdcRequest.GetLineCoding when setup.In:
                int length = Math.Min(data.Length, LineCoding.Size);
                Packed.Write(LineCoding, data[..length]);
                return length;
            case CdcRequest.SetLineCoding when !setup.In && data.Length == LineCoding.Size:
                return SetLineCoding(Packed.Read<LineCoding>(data));
            case CdcRequest.SetControlLineState when setup.Length == 0:
                ControlLines = (ControlLines)setup.Value & (ControlLines.DataTerminalReady | ControlLines.RequestToSend);
                if (_loopsBack)
                    Signal((ControlLines & ControlLines.DataTerminalReady) != 0 ? SerialLines.CarrierDetect | SerialLines.DataSetReady : SerialLines.None);
                return 0;
            case CdcRequest.SendBreak when setup.Length == 0:
                _breakEndNs = setup.Value == BreakUntilEnded ? ulong.MaxValue : setup.Value == 0 ? 0 : _loop.NowNs + (setup.Value * Millisecond);
                if (_loopsBack && setup.Value != 0)
                    Signal(_lines | SerialLines.Break);
                return 0;
            default:
                return Refused;
        }
    }

    private void Restart()
    {
        _inFlight = NoPacket;
        _isNotifying = _endsWithEmptyPacket = false;
        _hasNews = _lines != SerialLines.None;
    }

    private int SetLineCoding(in LineCoding coding)
    {
        bool isPossible = coding.Rate != 0
            && coding.StopBits <= StopBits.Two
            && coding.Parity <= Parity.Space
            && coding.DataBits is (>= 5 and <= 8) or 16;
        if (!isPossible)
            return Refused;
        LineCoding = coding;
        return 0;
    }

    private UsbReply SendData(DeviceEndpoint endpoint, Span<byte> packet)
    {
        // A packet that was sent and not acknowledged comes again as it was, although more has arrived.
        if (_inFlight == NoPacket)
        {
            if (_toHost.Count == 0 && !_endsWithEmptyPacket)
                return UsbReply.Nak;
            _inFlight = Math.Min(_toHost.Count, _maxPacket);
        }

        _toHost.Peek(packet[.._inFlight]);
        return UsbReply.Data(endpoint.Toggle, _inFlight);
    }

    private UsbReply SendNotification(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (!_hasNews)
            return UsbReply.Nak;
        if (!_isNotifying)
        {
            _isNotifying = true;
            _notification = new()
            {
                Characteristics = 0xA1,
                Notification = NotifySerialState,
                Index = SerialDescriptors.ControlInterface,
                DataLength = sizeof(ushort),
                Lines = _lines | _irregular,
            };
        }

        Packed.Write(_notification, packet[..SerialStateNotification.Size]);
        return UsbReply.Data(endpoint.Toggle, SerialStateNotification.Size);
    }
}
