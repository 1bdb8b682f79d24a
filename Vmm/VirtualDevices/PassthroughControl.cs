using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Endpoint 0 of a device that stands for another: a request is passed on whole, and the guest hears NAK until the answer is there.</summary>
/// <param name="link">The device of the host.</param>
/// <param name="maxPacketSize">Bytes in a full packet of endpoint 0.</param>
internal sealed class PassthroughControl(PassthroughLink link, int maxPacketSize)
{
    private readonly Gate _turn = new();
    private SetupPacket _setup;
    private byte[] _data = [];
    private int _done;
    private int _inFlight;
    private bool _toggle;
    private Stage _stage;
    private int _generation;

    private enum Stage
    {
        /// <summary>No request, or one that was refused.</summary>
        Refused,

        /// <summary>Data comes from the guest.</summary>
        DataOut,

        /// <summary>The host has the request.</summary>
        Waiting,

        /// <summary>There is data for the guest.</summary>
        DataIn,

        /// <summary>The request is done; the guest may ask for its status.</summary>
        StatusIn,
    }

    /// <summary>Called when a request that changes endpoints was done well, before the guest hears of it.</summary>
    public Action<SetupPacket> Changed { get; set; } = static _ => { };

    /// <summary>The guest's address for the device is another one from now on.</summary>
    public Action<byte> Addressed { get; set; } = static _ => { };

    /// <summary>The port was reset: no request is known any more. The device is reset, too, before it gets another one.</summary>
    /// <param name="isUsed">Whether it was used since it was reset last.</param>
    public void Reset(bool isUsed)
    {
        _generation++;
        _stage = Stage.Refused;
        if (isUsed)
            link.Start(ResetDevice);
    }

    /// <summary>A SETUP transaction: it is always taken.</summary>
    public UsbReply Setup(ReadOnlySpan<byte> packet)
    {
        if (packet.Length != SetupPacket.Size)
            return UsbReply.Silence;
        _generation++;
        _setup = Packed.Read<SetupPacket>(packet);
        (_done, _inFlight, _toggle) = (0, 0, true);
        _data = [];
        if (_setup.Length != 0 && !_setup.In)
            _stage = Stage.DataOut;
        else
            Submit();
        return UsbReply.Ack;
    }

    /// <summary>An OUT transaction: data of a request, or the status of one that brought data.</summary>
    public UsbReply Out(bool toggle, ReadOnlySpan<byte> packet)
    {
        switch (_stage)
        {
            case Stage.DataIn when packet.Length == 0:
                return UsbReply.Ack;
            case Stage.DataOut when toggle != _toggle:
                return UsbReply.Ack;
            case Stage.DataOut when packet.Length <= maxPacketSize && packet.Length <= _setup.Length - _data.Length:
                _data = [.. _data, .. packet];
                _toggle = !_toggle;
                if (_data.Length == _setup.Length || packet.Length < maxPacketSize)
                    Submit();
                return UsbReply.Ack;
            case Stage.Waiting:
                return UsbReply.Nak;
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
            case Stage.Waiting:
                return UsbReply.Nak;
            case Stage.DataIn when _done < _data.Length || (_done != _setup.Length && _done % maxPacketSize == 0):
                _inFlight = Math.Min(maxPacketSize, _data.Length - _done);
                _data.AsSpan(_done, _inFlight).CopyTo(packet);
                return UsbReply.Data(_toggle, _inFlight);
            case Stage.StatusIn:
                return UsbReply.Data(true, 0);
            default:
                _stage = Stage.Refused;
                return UsbReply.Stall;
        }
    }

    /// <summary>The guest acknowledged what the last IN brought.</summary>
    public void Acknowledge()
    {
        if (_stage == Stage.DataIn)
        {
            _done += _inFlight;
            _toggle = !_toggle;
        }
        else if (_stage == Stage.StatusIn)
        {
            _stage = Stage.Refused;
            if (IsAddress(_setup))
                Addressed((byte)_setup.Value);
        }
    }

    /// <summary>Whether a PING finds room.</summary>
    public UsbReply Ping() => _stage switch
    {
        Stage.Waiting => UsbReply.Nak,
        Stage.DataIn or Stage.DataOut => UsbReply.Ack,
        _ => UsbReply.Stall,
    };

    private static bool IsAddress(SetupPacket setup) =>
        setup is { Type: RequestType.Standard, Recipient: RequestRecipient.Device, Request: (byte)StandardRequest.SetAddress };

    private void Submit()
    {
        // The address on the real bus is the host's; the guest's is only for its own bus.
        if (IsAddress(_setup))
        {
            _stage = _setup is { Value: < UsbBus.AddressCount, Length: 0 } ? Stage.StatusIn : Stage.Refused;
            return;
        }

        _stage = Stage.Waiting;
        SetupPacket setup = _setup;
        byte[] data = _data;
        int generation = _generation;
        link.Start(() => PassOn(setup, data, generation));
    }

    private async Task PassOn(SetupPacket setup, byte[] data, int generation)
    {
        await _turn.Enter();
        try
        {
            HostUsbBuffer? buffer = setup.Length == 0 ? null : await link.TryAllocate(setup.Length);
            HostUsbResult result = new(HostUsbStatus.NoAnswer, 0);
            byte[] answer = [];
            if (setup.Length == 0 || buffer is not null)
            {
                // A request that sends less than it said is passed on as it is.
                if (data.Length != 0)
                    link.Write(buffer!, 0, data);
                SetupPacket asked = setup.In ? setup : setup with { Length = (ushort)data.Length };
                result = await link.Device.Request(asked, asked.Length == 0 ? null : buffer);
                if (setup.In && result.Bytes != 0)
                {
                    answer = new byte[Math.Min(result.Bytes, setup.Length)];
                    link.Read(buffer!, 0, answer);
                }

                if (buffer is not null)
                    await link.Release(buffer);
            }

            if (result.Status == HostUsbStatus.Completed)
                Changed(setup);
            if (generation != _generation)
                return;
            _data = answer;
            _stage = result.Status != HostUsbStatus.Completed ? Stage.Refused : setup is { In: true, Length: not 0 } ? Stage.DataIn : Stage.StatusIn;
        }
        finally
        {
            _turn.Leave();
        }
    }

    private async Task ResetDevice()
    {
        await _turn.Enter();
        _ = await link.Device.Reset();
        _turn.Leave();
    }
}
