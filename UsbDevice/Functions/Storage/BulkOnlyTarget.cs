using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The device's side of the bulk-only transport: command, data and status in turn, over two pipes (USB mass storage bulk-only 1.0).</summary>
/// <param name="disk">Who carries the commands out.</param>
/// <param name="halt">Halts the pipe to the host, or else the one to the device.</param>
internal sealed class BulkOnlyTarget(ScsiDisk disk, Action<bool> halt) : IStorageTarget
{
    private readonly byte[] _lastPacket = new byte[UsbBus.PacketMax];
    private State _state;
    private CommandBlockWrapper _command;
    private CommandStatus _status;
    private ulong _dataLeft;
    private uint _residue;
    private bool _stallAfterData;
    private int _packetLength;
    private bool _packetReady;

    private enum State
    {
        /// <summary>A command is expected.</summary>
        Command,

        /// <summary>Data goes to the host.</summary>
        DataIn,

        /// <summary>Data comes from the host.</summary>
        DataOut,

        /// <summary>The status waits to be fetched.</summary>
        Status,

        /// <summary>What came was no command: both pipes stay halted until a reset (6.6.1).</summary>
        Broken,
    }

    /// <inheritdoc/>
    public bool MayClearHalt => _state != State.Broken;

    /// <inheritdoc/>
    public void Begin()
    {
        disk.Abort();
        BeginCommand();
    }

    /// <inheritdoc/>
    public bool IsReadyFor(DeviceEndpoint endpoint) => _state is State.Command or State.DataOut;

    /// <inheritdoc/>
    public UsbReply Out(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => _state switch
    {
        State.Command => TakeCommand(data),
        State.DataOut => TakeData(endpoint, data),
        _ => UsbReply.Nak,
    };

    /// <inheritdoc/>
    public UsbReply In(DeviceEndpoint endpoint, Span<byte> packet)
    {
        switch (_state)
        {
            case State.DataIn:
                return SendData(endpoint, packet);
            case State.Status:
                CommandStatusWrapper status = new()
                {
                    Signature = CommandStatusWrapper.ValidSignature,
                    Tag = _command.Tag,
                    DataResidue = _residue,
                    Status = _status,
                };
                Packed.Write(status, packet[..CommandStatusWrapper.Size]);
                return UsbReply.Data(endpoint.Toggle, CommandStatusWrapper.Size);
            default:
                return UsbReply.Nak;
        }
    }

    /// <inheritdoc/>
    public void Acknowledged(DeviceEndpoint endpoint)
    {
        if (_state == State.Status)
        {
            BeginCommand();
            return;
        }

        if (_state != State.DataIn)
            return;
        _packetReady = false;
        _dataLeft -= (ulong)_packetLength;
        _residue -= (uint)_packetLength;
        if (_dataLeft == 0)
            EndData(isShort: _packetLength < endpoint.MaxPacketSize);
    }

    private void BeginCommand()
    {
        _state = State.Command;
        _packetReady = false;
        _stallAfterData = false;
    }

    private UsbReply TakeCommand(ReadOnlySpan<byte> data)
    {
        CommandBlockWrapper command = Packed.Read<CommandBlockWrapper>(data);

        // Valid and meaningful (6.2): the length, the signature, a unit that exists, a length of the command block, no reserved bit.
        if (data.Length != CommandBlockWrapper.Size
            || command.Signature != CommandBlockWrapper.ValidSignature
            || command.CommandLength is < 1 or > 16
            || command.LogicalUnit != 0
            || command.ReservedLogicalUnit != 0
            || command.ReservedCommandLength != 0
            || (command.Flags & 0x7F) != 0)
        {
            _state = State.Broken;
            halt(true);
            halt(false);
            return UsbReply.Ack;
        }

        _command = command;
        _residue = command.DataLength;
        Start(disk.Begin(command.Command, command.CommandLength));
        return UsbReply.Ack;
    }

    // The thirteen cases (6.7): what the host expects, against what the command wants.
    private void Start(ScsiTask task)
    {
        uint expected = _command.DataLength;
        ScsiDirection expectedDirection = expected == 0 ? ScsiDirection.None : _command.In ? ScsiDirection.In : ScsiDirection.Out;
        if (task.Direction == ScsiDirection.None)
        {
            // Cases 1, 4 and 9: no data; where the host expects some, its pipe is halted.
            EndCommand(disk.Finish() ? CommandStatus.Passed : CommandStatus.Failed);
            if (expectedDirection != ScsiDirection.None)
                halt(_command.In);
        }
        else if (task.Direction != expectedDirection)
        {
            // Cases 2, 3, 8 and 10: the directions differ.
            disk.Abort();
            EndCommand(CommandStatus.PhaseError);
            if (expectedDirection != ScsiDirection.None)
                halt(_command.In);
        }
        else
        {
            // Cases 5, 6, 7 and 11, 12, 13: as many bytes as both sides can move. A command that wanted more ends in a phase error.
            _dataLeft = Math.Min(task.Length, expected);
            _status = task.Length > expected ? CommandStatus.PhaseError : CommandStatus.Passed;
            _stallAfterData = task.Length < expected;
            _state = task.Direction == ScsiDirection.In ? State.DataIn : State.DataOut;
        }
    }

    private UsbReply SendData(DeviceEndpoint endpoint, Span<byte> packet)
    {
        int length = (int)Math.Min((ulong)endpoint.MaxPacketSize, _dataLeft);
        if (_packetReady)
        {
            // The host did not get the packet. The disk does not go back, so the copy of it is sent again.
            _lastPacket.AsSpan(0, length).CopyTo(packet);
            return UsbReply.Data(endpoint.Toggle, length);
        }

        if (!disk.Read(packet[..length]))
        {
            // The medium failed: no more data (6.7.2), and the sense data says why.
            _ = disk.Finish();
            EndCommand(CommandStatus.Failed);
            halt(true);
            return UsbReply.Stall;
        }

        packet[..length].CopyTo(_lastPacket);
        _packetReady = true;
        _packetLength = length;
        return UsbReply.Data(endpoint.Toggle, length);
    }

    private UsbReply TakeData(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        int length = (int)Math.Min((ulong)data.Length, _dataLeft);
        if (!disk.Write(data[..length]))
        {
            _ = disk.Finish();
            EndCommand(CommandStatus.Failed);
            halt(false);
            return UsbReply.Stall;
        }

        _dataLeft -= (ulong)length;
        _residue -= (uint)length;

        // The host ends its data early with a short packet.
        if (_dataLeft == 0 || data.Length < endpoint.MaxPacketSize)
            EndData(isShort: data.Length < endpoint.MaxPacketSize);
        return UsbReply.Ack;
    }

    private void EndData(bool isShort)
    {
        bool passed = disk.Finish();
        EndCommand(_status == CommandStatus.PhaseError ? CommandStatus.PhaseError : passed ? CommandStatus.Passed : CommandStatus.Failed);

        // Fewer bytes than the host expects: a short packet has told it already, else a halt does.
        if (_stallAfterData && !isShort)
            halt(_command.In);
    }

    private void EndCommand(CommandStatus status)
    {
        _status = status;
        _state = State.Status;
        _packetReady = false;
    }
}
