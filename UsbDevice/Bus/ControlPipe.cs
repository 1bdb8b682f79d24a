using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Endpoint 0 of a device: the stages of a control transfer (USB 2.0, control transfers).</summary>
/// <remarks>
/// SETUP is always taken and ends whatever was before. Data begins with DATA1 and alternates; status goes the other
/// way, with DATA1 and no bytes. A request that is refused answers STALL in its data or status stage, until the next SETUP.
/// </remarks>
/// <param name="requests">Who answers the requests.</param>
internal sealed class ControlPipe(IControlRequests requests)
{
    /// <summary>The longest data stage that is supported, in bytes.</summary>
    public const int DataMax = 4096;

    private readonly byte[] _data = new byte[DataMax];
    private SetupPacket _setup;
    private Stage _stage;
    private bool _toggle;
    private int _length;
    private int _done;
    private int _inFlight;

    private enum Stage
    {
        /// <summary>No request, or one that was refused.</summary>
        Refused,

        /// <summary>The device sends data.</summary>
        DataIn,

        /// <summary>The device receives data.</summary>
        DataOut,

        /// <summary>The device sends an empty packet.</summary>
        StatusIn,
    }

    /// <summary>Bytes in a full packet of endpoint 0.</summary>
    public required int MaxPacketSize { get; set; }

    /// <summary>A bus reset.</summary>
    public void Reset() => _stage = Stage.Refused;

    /// <summary>A SETUP transaction.</summary>
    public UsbReply Setup(ReadOnlySpan<byte> packet)
    {
        // A SETUP packet of another length is damaged: a device stays silent.
        if (packet.Length != SetupPacket.Size)
            return UsbReply.Silence;
        _setup = Packed.Read<SetupPacket>(packet);
        _toggle = true;
        _done = _inFlight = _length = 0;
        if (_setup.Length == 0)
            _stage = requests.Request(_setup, []) < 0 ? Stage.Refused : Stage.StatusIn;
        else if (_setup.In)
            BeginDataIn();
        else
            BeginDataOut();
        return UsbReply.Ack;
    }

    /// <summary>An OUT transaction: data, or the status of a request that sent data to the host.</summary>
    public UsbReply Out(bool toggle, ReadOnlySpan<byte> packet)
    {
        switch (_stage)
        {
            case Stage.DataIn when packet.Length == 0:
                // The host may end the data stage early.
                return UsbReply.Ack;
            case Stage.DataOut when toggle != _toggle:
                // The host did not hear the ACK and repeats the packet.
                return UsbReply.Ack;
            case Stage.DataOut:
                return TakeData(packet);
            default:
                _stage = Stage.Refused;
                return UsbReply.Stall;
        }
    }

    /// <summary>An IN transaction: data, or the status of a request that took data or had none.</summary>
    public UsbReply In(Span<byte> packet)
    {
        switch (_stage)
        {
            case Stage.DataIn:
                // Data that ends on a full packet, but short of what the host asked for, ends with an empty packet.
                bool isOver = _done == _length && (_done == _setup.Length || (_done % MaxPacketSize != 0));
                if (isOver)
                    break;
                _inFlight = Math.Min(MaxPacketSize, _length - _done);
                _data.AsSpan(_done, _inFlight).CopyTo(packet);
                return UsbReply.Data(_toggle, _inFlight);
            case Stage.StatusIn:
                return UsbReply.Data(true, 0);
            case Stage.Refused or Stage.DataOut:
                break;
        }

        _stage = Stage.Refused;
        return UsbReply.Stall;
    }

    /// <summary>The host acknowledged what the last IN brought.</summary>
    public void Acknowledge()
    {
        if (_stage == Stage.DataIn)
        {
            _done += _inFlight;
            _inFlight = 0;
            _toggle = !_toggle;
        }
        else if (_stage == Stage.StatusIn)
        {
            _stage = Stage.Refused;
            requests.RequestDone(_setup);
        }
    }

    /// <summary>Whether a PING finds room.</summary>
    public UsbReply Ping() => _stage is Stage.DataIn or Stage.DataOut ? UsbReply.Ack : UsbReply.Stall;

    private void BeginDataIn()
    {
        int room = Math.Min((int)_setup.Length, DataMax);
        int length = requests.Request(_setup, _data.AsSpan(0, room));
        _stage = length < 0 ? Stage.Refused : Stage.DataIn;
        _length = Math.Min(length, room);
    }

    private void BeginDataOut() => _stage = _setup.Length > DataMax ? Stage.Refused : Stage.DataOut;

    private UsbReply TakeData(ReadOnlySpan<byte> packet)
    {
        if (packet.Length > MaxPacketSize || packet.Length > _setup.Length - _done)
        {
            _stage = Stage.Refused;
            return UsbReply.Stall;
        }

        packet.CopyTo(_data.AsSpan(_done));
        _done += packet.Length;
        _toggle = !_toggle;
        if (_done == _setup.Length || packet.Length < MaxPacketSize)
            _stage = requests.Request(_setup, _data.AsSpan(0, _done)) < 0 ? Stage.Refused : Stage.StatusIn;
        return UsbReply.Ack;
    }
}
