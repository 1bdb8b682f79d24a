using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A USB disk: one SCSI disk behind the bulk-only transport (USB mass storage bulk-only 1.0).</summary>
public sealed class MassStorageDevice : StandardDevice
{
    private const byte BulkInNumber = 1;
    private const byte BulkOutNumber = 2;

    private readonly ScsiDisk _disk;
    private readonly int _maxPacket;
    private readonly byte[] _lastPacket;
    private State _state;
    private CommandBlockWrapper _command;
    private CommandStatus _status;
    private ulong _dataLeft;
    private uint _residue;
    private bool _stallAfterData;
    private int _packetLength;
    private bool _packetReady;

    /// <summary>A disk with a serial number.</summary>
    /// <param name="image">Its content.</param>
    /// <param name="options">What it says about itself.</param>
    /// <param name="speed">High or full.</param>
    public MassStorageDevice(IDiskImage image, ScsiDiskOptions? options = null, UsbSpeed speed = UsbSpeed.High)
        : base(speed, Describe(options ?? new(), speed))
    {
        _disk = new(image, options ?? new());
        _maxPacket = MaxPacketOf(speed);
        _lastPacket = new byte[_maxPacket];
    }

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

    /// <summary>The SCSI disk.</summary>
    public ScsiDisk Disk => _disk;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _disk.Reset();
        BeginCommand();
    }

    /// <inheritdoc/>
    protected override void OnConfigured()
    {
        _disk.Abort();
        BeginCommand();
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        if (setup.Type != RequestType.Class || setup.Recipient != RequestRecipient.Interface || setup.Index != 0 || setup.Value != 0)
            return Refused;
        switch ((BulkOnlyRequest)setup.Request)
        {
            case BulkOnlyRequest.Reset when setup is { In: false, Length: 0 }:
                // Halts and toggles stay as they are: the host clears them next (3.1).
                _disk.Abort();
                BeginCommand();
                return 0;
            case BulkOnlyRequest.GetMaxLun when setup is { In: true, Length: 1 }:
                data[0] = 0;
                return 1;
            default:
                return Refused;
        }
    }

    /// <inheritdoc/>
    protected override bool MayClearHalt(DeviceEndpoint endpoint) => _state != State.Broken;

    /// <inheritdoc/>
    protected override bool IsReadyFor(DeviceEndpoint endpoint) => _state is State.Command or State.DataOut;

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => _state switch
    {
        State.Command => TakeCommand(data),
        State.DataOut => TakeData(data),
        _ => UsbReply.Nak,
    };

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
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
    protected override void OnAcknowledged(DeviceEndpoint endpoint)
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
            EndData(endpoint, isShort: _packetLength < _maxPacket);
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
            HaltPipe(isIn: true);
            HaltPipe(isIn: false);
            return UsbReply.Ack;
        }

        _command = command;
        _residue = command.DataLength;
        Begin(_disk.Begin(command.Command, command.CommandLength));
        return UsbReply.Ack;
    }

    // The thirteen cases (6.7): what the host expects, against what the command wants.
    private void Begin(ScsiTask task)
    {
        uint expected = _command.DataLength;
        ScsiDirection expectedDirection = expected == 0 ? ScsiDirection.None : _command.In ? ScsiDirection.In : ScsiDirection.Out;
        if (task.Direction == ScsiDirection.None)
        {
            // Cases 1, 4 and 9: no data; where the host expects some, its pipe is halted.
            EndCommand(_disk.Finish() ? CommandStatus.Passed : CommandStatus.Failed);
            if (expectedDirection != ScsiDirection.None)
                HaltPipe(_command.In);
        }
        else if (task.Direction != expectedDirection)
        {
            // Cases 2, 3, 8 and 10: the directions differ.
            _disk.Abort();
            EndCommand(CommandStatus.PhaseError);
            if (expectedDirection != ScsiDirection.None)
                HaltPipe(_command.In);
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
        int length = (int)Math.Min((ulong)_maxPacket, _dataLeft);
        if (_packetReady)
        {
            // The host did not get the packet. The disk does not go back, so the copy of it is sent again.
            _lastPacket.AsSpan(0, length).CopyTo(packet);
            return UsbReply.Data(endpoint.Toggle, length);
        }

        if (!_disk.Read(packet[..length]))
        {
            // The medium failed: no more data (6.7.2), and the sense data says why.
            _ = _disk.Finish();
            EndCommand(CommandStatus.Failed);
            Halt(endpoint);
            return UsbReply.Stall;
        }

        packet[..length].CopyTo(_lastPacket);
        _packetReady = true;
        _packetLength = length;
        return UsbReply.Data(endpoint.Toggle, length);
    }

    private UsbReply TakeData(ReadOnlySpan<byte> data)
    {
        int length = (int)Math.Min((ulong)data.Length, _dataLeft);
        if (!_disk.Write(data[..length]))
        {
            _ = _disk.Finish();
            EndCommand(CommandStatus.Failed);
            HaltPipe(isIn: false);
            return UsbReply.Stall;
        }

        _dataLeft -= (ulong)length;
        _residue -= (uint)length;

        // The host ends its data early with a short packet.
        if (_dataLeft == 0 || data.Length < _maxPacket)
            EndData(Find(BulkOutNumber, isIn: false), isShort: data.Length < _maxPacket);
        return UsbReply.Ack;
    }

    private void EndData(DeviceEndpoint? endpoint, bool isShort)
    {
        bool passed = _disk.Finish();
        EndCommand(_status == CommandStatus.PhaseError ? CommandStatus.PhaseError : passed ? CommandStatus.Passed : CommandStatus.Failed);

        // Fewer bytes than the host expects: a short packet has told it already, else a halt does.
        if (_stallAfterData && !isShort && endpoint is not null)
            Halt(endpoint);
    }

    private void EndCommand(CommandStatus status)
    {
        _status = status;
        _state = State.Status;
        _packetReady = false;
    }

    private void HaltPipe(bool isIn)
    {
        if (Find(isIn ? BulkInNumber : BulkOutNumber, isIn) is { } endpoint)
            Halt(endpoint);
    }

    private static int MaxPacketOf(UsbSpeed speed) => speed switch
    {
        UsbSpeed.High => 512,
        UsbSpeed.Full => 64,
        _ => throw new ArgumentOutOfRangeException(nameof(speed), "High or full."),
    };

    private static DescriptorSet Describe(ScsiDiskOptions options, UsbSpeed speed)
    {
        DeviceDescriptor device = new()
        {
            UsbVersion = 0x0200,
            MaxPacketSize0 = 64,
            VendorId = 0x1209,
            ProductId = 0x0001,
            DeviceVersion = 0x0100,
            ManufacturerString = 1,
            ProductString = 2,
            SerialNumberString = 3,
        };
        return new(device, [ConfigurationBytes(MaxPacketOf(speed))], [options.Vendor, options.Product, options.SerialNumber], hasOtherSpeed: true);
    }

    private static byte[] ConfigurationBytes(int maxPacket) =>
    [
        .. Packed.ToArray(
            new ConfigurationDescriptor
            {
                Length = ConfigurationDescriptor.Size,
                Type = DescriptorType.Configuration,
                InterfaceCount = 1,
                Value = 1,
                AlwaysOne = true,
                MaxPower = 100,
            },
            ConfigurationDescriptor.Size),
        .. Packed.ToArray(
            new InterfaceDescriptor
            {
                Length = InterfaceDescriptor.Size,
                Type = DescriptorType.Interface,
                EndpointCount = 2,
                Class = DeviceClass.MassStorage,
                Subclass = 6,
                Protocol = 0x50,
            },
            InterfaceDescriptor.Size),
        .. Bulk(BulkInNumber, isIn: true, maxPacket),
        .. Bulk(BulkOutNumber, isIn: false, maxPacket),
    ];

    private static byte[] Bulk(int number, bool isIn, int maxPacket) => Packed.ToArray(
        new EndpointDescriptor
        {
            Length = EndpointDescriptor.Size,
            Type = DescriptorType.Endpoint,
            Number = number,
            In = isIn,
            TransferType = TransferType.Bulk,
            MaxPacketSize = maxPacket,
        },
        EndpointDescriptor.Size);
}
