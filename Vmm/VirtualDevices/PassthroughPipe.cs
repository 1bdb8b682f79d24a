using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>A bulk or interrupt endpoint of a device that stands for another: packets of the guest become transfers of the host.</summary>
/// <remarks>
/// <code>
/// IN:   token  NAK  token  NAK  ...  token  DATA  token  DATA  ...
///         \-- transfer on the host --/  its packets, one by one
/// OUT:  packet ACK  packet ACK  last packet NAK  ...  last packet again ACK
///                                     \-- transfer on the host --/
/// </code>
/// So the guest's transfer ends when the host's has, and as it has. Where the controller says where the data of a transfer lies, and all of that
/// lies in a row, the host moves it there itself (<see cref="DirectTransfer"/>); its packets go over the virtual bus without it.
/// </remarks>
/// <param name="link">The device of the host.</param>
/// <param name="address">bEndpointAddress.</param>
/// <param name="maxPacketSize">Bytes in a full packet.</param>
internal sealed class PassthroughPipe(PassthroughLink link, byte address, int maxPacketSize)
{
    private byte[] _data = [];
    private int _length;
    private int _done;
    private int _inFlight;
    private int _asked;
    private int _leftAfter;
    private bool _toggle;
    private bool _isHalted;
    private int _generation;
    private State _state;
    private DirectTransfer? _direct;
    private bool _isDirect;

    private enum State
    {
        /// <summary>Nothing is on the host; of an OUT endpoint some packets may be there already.</summary>
        Idle,

        /// <summary>The host has a transfer.</summary>
        Running,

        /// <summary>It is done; of an IN endpoint its data goes to the guest.</summary>
        Done,
    }

    private HostUsbStatus Outcome { get; set; }

    /// <summary>Forgets all; a transfer that the host has is called off. The toggle starts anew, and there is no halt.</summary>
    public void Restart()
    {
        _generation++;
        if (_isDirect)
            _direct!.Leave();
        if (_state == State.Running)
            link.Device.Cancel(address);
        (_state, _length, _done, _toggle, _isHalted, _isDirect) = (State.Idle, 0, 0, false, false, false);
    }

    /// <summary>An IN token, with the place where the data of the transfer belongs.</summary>
    /// <returns>The answer; null where the packet has to carry its data.</returns>
    public UsbReply? InDirect(TransferPages pages, UsbBus bus)
    {
        if (_isHalted)
            return UsbReply.Stall;

        // Whole packets, so that a device that sends a full one does not send too much.
        if (_state == State.Idle && pages.Bytes % maxPacketSize == 0 && Fits(pages))
            SubmitDirect(pages, bus);
        if (!_isDirect)
            return null;
        if (_state == State.Running)
        {
            _direct!.Polled();
            return UsbReply.Nak;
        }

        // The guest wants it somewhere else than it said.
        if (_done != _length && !_direct!.IsAt(_done, pages))
        {
            KeepData();
            return null;
        }

        _direct!.Polled();
        if (_done == _length && (Outcome != HostUsbStatus.Completed || _length == _asked))
            return End();
        _inFlight = Math.Min(maxPacketSize, _length - _done);
        return UsbReply.Data(_toggle, _inFlight);
    }

    /// <summary>An OUT token, with the place where the data of the transfer is.</summary>
    /// <returns>The answer; null where the packet has to carry its data.</returns>
    public UsbReply? OutDirect(bool toggle, int length, TransferPages pages, UsbBus bus)
    {
        if (_isHalted)
            return UsbReply.Stall;
        if (toggle != _toggle)
            return UsbReply.Ack;

        // What the guest took back half-way is not part of the next one.
        if (_isDirect && _state == State.Done && (pages.Bytes != _asked - _done || !_direct!.IsAt(_done, pages)))
            (_state, _length, _isDirect) = (State.Idle, 0, false);
        if (_state == State.Idle && _length == 0 && Fits(pages))
            SubmitDirect(pages, bus);
        if (!_isDirect)
            return null;
        _direct!.Polled();
        return _state == State.Running ? UsbReply.Nak : Moved(length);
    }

    /// <summary>Lets go of memory of the guest: what runs there is called off, and data that lies there is taken.</summary>
    /// <param name="polledIn">A transfer that was asked about in this round goes on; null for none.</param>
    public void LetGo(uint? polledIn)
    {
        if (!_isDirect || _direct!.PolledIn == polledIn)
            return;
        if (_state == State.Running && _direct.Leave())
            link.Device.Cancel(address);
        else if (_state == State.Done && IsIn)
            KeepData();
        else if (_state == State.Done && polledIn is not null)
            (_state, _length, _isDirect) = (State.Idle, 0, false);
    }

    private bool IsIn => (address & 0x80) != 0;

    /// <summary>An IN token.</summary>
    /// <param name="left">Bytes that the guest's transfer has still room for.</param>
    /// <param name="packet">Room for a packet.</param>
    public UsbReply In(int left, Span<byte> packet)
    {
        if (_isHalted)
            return UsbReply.Stall;
        if (_state == State.Idle)
        {
            // Whole packets, so that a device that sends a full one does not send too much.
            _asked = Math.Clamp((left + maxPacketSize - 1) / maxPacketSize * maxPacketSize, maxPacketSize, PassthroughLink.TransferBytesMax / maxPacketSize * maxPacketSize);
            Submit(_asked);
        }

        if (_state == State.Running)
            return UsbReply.Nak;
        if (_isDirect)
            KeepData();
        bool isOver = _done == _length && (Outcome != HostUsbStatus.Completed || _length == _asked);
        if (isOver)
            return End();
        _inFlight = Math.Min(maxPacketSize, _length - _done);
        _data.AsSpan(_done, _inFlight).CopyTo(packet);
        return UsbReply.Data(_toggle, _inFlight);
    }

    /// <summary>The guest acknowledged what the last IN brought.</summary>
    public void Acknowledge()
    {
        if (_state != State.Done)
            return;
        _toggle = !_toggle;
        _done += _inFlight;

        // A short packet ends it; a transfer that ended on a full one has no other end.
        bool isOver = Outcome == HostUsbStatus.Completed && _done == _length && (_inFlight < maxPacketSize || _length == _asked);
        if (isOver)
            (_state, _length, _done, _isDirect) = (State.Idle, 0, 0, false);
    }

    /// <summary>An OUT packet.</summary>
    /// <param name="toggle">Whether it is DATA1.</param>
    /// <param name="left">Bytes that the guest's transfer has still to send, these included.</param>
    /// <param name="packet">The packet.</param>
    public UsbReply Out(bool toggle, int left, ReadOnlySpan<byte> packet)
    {
        if (_isHalted)
            return UsbReply.Stall;
        if (packet.Length > maxPacketSize)
            return UsbReply.Silence;
        if (toggle != _toggle)
            return UsbReply.Ack;
        if (_state == State.Running)
            return UsbReply.Nak;
        if (_state == State.Done)
            return _isDirect ? Moved(packet.Length) : Taken();

        // Packets of a transfer that the guest took back half-way are not part of this one.
        if (_length != 0 && left != _leftAfter)
            _length = 0;
        _leftAfter = left - packet.Length;
        bool isLast = _leftAfter <= 0 || packet.Length < maxPacketSize || _length + packet.Length + maxPacketSize > PassthroughLink.TransferBytesMax;
        MakeRoom(PassthroughLink.TransferBytesMax);
        if (isLast && _length + packet.Length != 0)
        {
            packet.CopyTo(_data.AsSpan(_length));
            Submit(_length + packet.Length);
            return UsbReply.Nak;
        }

        packet.CopyTo(_data.AsSpan(_length));
        _length += packet.Length;
        _toggle = !_toggle;
        return UsbReply.Ack;
    }

    /// <summary>Whether a PING finds room.</summary>
    public UsbReply Ping() => _isHalted ? UsbReply.Stall : _state == State.Running ? UsbReply.Nak : UsbReply.Ack;

    // The host has moved the data of this packet, or ended before it.
    private UsbReply Moved(int length)
    {
        if (_done + length > _length)
        {
            (_state, _length, _isDirect) = (State.Idle, 0, false);
            return Outcome is HostUsbStatus.Completed or HostUsbStatus.Canceled ? UsbReply.Nak : Failed();
        }

        (_toggle, _done) = (!_toggle, _done + length);
        if (_done == _asked)
            (_state, _length, _isDirect) = (State.Idle, 0, false);
        return UsbReply.Ack;
    }

    // The last packet came again, and the host is done with all of them.
    private UsbReply Taken()
    {
        (_state, _length) = (State.Idle, 0);
        if (Outcome != HostUsbStatus.Completed)
            return Failed();
        _toggle = !_toggle;
        return UsbReply.Ack;
    }

    private UsbReply End()
    {
        HostUsbStatus outcome = Outcome;
        (_state, _length, _done, _isDirect) = (State.Idle, 0, 0, false);
        return outcome is HostUsbStatus.Completed or HostUsbStatus.Canceled ? UsbReply.Nak : Failed();
    }

    private UsbReply Failed()
    {
        _isHalted = Outcome == HostUsbStatus.Stalled;
        return _isHalted ? UsbReply.Stall : UsbReply.Silence;
    }

    // Copied transfers are for what is small, or lies in pieces.
    private bool Fits(TransferPages pages) => pages.Bytes >= maxPacketSize && pages.AreInRow;

    private void SubmitDirect(TransferPages pages, UsbBus bus)
    {
        // One that was called off may still be on its way out.
        DirectTransfer direct = _direct is { IsRunning: false } spare ? spare : new(link);
        direct.Begin(pages, bus);
        (_direct, _state, _isDirect, _asked, _length, _done) = (direct, State.Running, true, pages.Bytes, 0, 0);
        int generation = _generation;
        link.Start(() => PassOnDirect(direct, generation));
    }

    private async Task PassOnDirect(DirectTransfer direct, int generation)
    {
        HostUsbResult result = await direct.Run(address);
        bool isCurrent = generation == _generation;
        if (isCurrent)
            (_state, Outcome, _length, _done) = (State.Done, result.Status, Math.Min(result.Bytes, _asked), 0);

        // Nobody will ask for it there any more: what came is taken before the guest has the memory back.
        if (isCurrent && IsIn && direct.IsLeaving)
            KeepData();
        direct.End();
    }

    // From the guest's memory, where it lies, into that of the model: the rest goes packet by packet.
    private void KeepData()
    {
        MakeRoom(_length);
        if (_done != _length)
            _direct!.Read(_done, _data.AsSpan(_done, _length - _done));
        _isDirect = false;
    }

    // Kept for the next one: what a pipe moves in the long run takes no memory.
    private void MakeRoom(int bytes)
    {
        if (_data.Length < bytes)
            _data = new byte[bytes];
    }

    private void Submit(int bytes)
    {
        _state = State.Running;
        int generation = _generation;
        link.Start(() => PassOn(bytes, generation));
    }

    // As long as nobody has started anew, the data of an OUT endpoint is what it was.
    private async Task PassOn(int bytes, int generation)
    {
        HostUsbResult result = new(HostUsbStatus.NoAnswer, 0);
        int received = 0;
        if (generation == _generation && await link.TryAllocate(bytes) is { } buffer)
        {
            if (!IsIn && generation == _generation)
                link.Write(buffer, 0, _data.AsSpan(0, bytes));
            if (generation == _generation)
                result = await link.Device.Transfer(address, buffer);
            if (IsIn && generation == _generation)
                received = Receive(buffer, Math.Min(result.Bytes, bytes));
            await link.Release(buffer);
        }

        if (generation != _generation)
            return;
        (_state, Outcome) = (State.Done, result.Status);
        if (IsIn)
            (_length, _done) = (received, 0);
    }

    private int Receive(HostUsbBuffer buffer, int bytes)
    {
        MakeRoom(bytes);
        if (bytes != 0)
            link.Read(buffer, 0, _data.AsSpan(0, bytes));
        return bytes;
    }
}
