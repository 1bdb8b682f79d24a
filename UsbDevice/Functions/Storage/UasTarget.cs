using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The device's side of USB attached SCSI: commands with tags wait in a row, answers come over a pipe of their own (USB attached SCSI).</summary>
/// <remarks>
/// The disk does one command at a time, so one at a time moves data. Whose data that is, the stream says, which has
/// the number of the tag; without streams a READ READY or WRITE READY unit says it before.
/// </remarks>
/// <param name="disk">Who carries the commands out.</param>
internal sealed class UasTarget(ScsiDisk disk) : IStorageTarget
{
    /// <summary>Commands that may wait, beside the one that runs.</summary>
    public const int WaitingMax = 31;

    // Each command leaves two units at most, and each function that is asked for one.
    private const int AnswersMax = 4 * (WaitingMax + 1);
    private const ushort TagMax = 0xFFFE;

    private readonly byte[] _lastPacket = new byte[UsbBus.PacketMax];
    private readonly List<Waiting> _waiting = new(WaitingMax);
    private readonly List<UasAnswer> _answers = new(AnswersMax);
    private ushort _running;
    private ScsiDirection _direction;
    private ulong _dataLeft;
    private int _packetLength;
    private bool _packetReady;

    /// <summary>A command that waits for the disk.</summary>
    private readonly record struct Waiting(ushort Tag, CommandBlock Command);

    /// <summary>Streams of each pipe; 0 where they have none.</summary>
    public int StreamCount { get; set; }

    /// <summary>Commands that wait or run.</summary>
    public int TaskCount => _waiting.Count + (_running != 0 ? 1 : 0);

    /// <inheritdoc/>
    public bool MayClearHalt => true;

    private bool HasStreams => StreamCount != 0;

    // Room for what those that wait will say, and one more.
    private bool TakesUnits => _answers.Count + (2 * TaskCount) + 2 <= AnswersMax;

    /// <inheritdoc/>
    public void Begin()
    {
        AbortAll();
        _answers.Clear();
    }

    /// <inheritdoc/>
    public bool IsReadyFor(DeviceEndpoint endpoint) => IsCommandPipe(endpoint) ? TakesUnits : IsTurnOf(endpoint, ScsiDirection.Out);

    /// <inheritdoc/>
    public UsbReply Out(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        if (IsCommandPipe(endpoint))
            return TakesUnits ? TakeUnit(endpoint, data) : UsbReply.Nak;
        return IsTurnOf(endpoint, ScsiDirection.Out) ? TakeData(endpoint, data) : Waits(endpoint);
    }

    /// <inheritdoc/>
    public UsbReply In(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (endpoint.Descriptor.Number == StorageDescriptors.StatusNumber)
            return AnswerFor(endpoint) is var at and >= 0 ? UsbReply.Data(endpoint.Toggle, _answers[at].WriteTo(packet)) : Waits(endpoint);
        return IsTurnOf(endpoint, ScsiDirection.In) ? SendData(endpoint, packet) : Waits(endpoint);
    }

    /// <inheritdoc/>
    public void Acknowledged(DeviceEndpoint endpoint)
    {
        if (endpoint.Descriptor.Number == StorageDescriptors.StatusNumber)
        {
            if (AnswerFor(endpoint) is var at and >= 0)
                _answers.RemoveAt(at);
        }
        else if (_packetReady && IsTurnOf(endpoint, ScsiDirection.In))
        {
            _packetReady = false;
            _dataLeft -= (ulong)_packetLength;
            if (_dataLeft == 0)
                EndRunning();
        }
    }

    private static bool IsCommandPipe(DeviceEndpoint endpoint) => endpoint.Descriptor.Number == StorageDescriptors.CommandNumber;

    // A pipe with streams that is spoken to without one: the host has not set it up.
    private UsbReply Waits(DeviceEndpoint endpoint) => HasStreams && endpoint.Stream == 0 ? UsbReply.Stall : UsbReply.Nak;

    private bool IsTurnOf(DeviceEndpoint endpoint, ScsiDirection direction) =>
        _direction == direction && (!HasStreams || endpoint.Stream == _running);

    // The oldest unit, with streams the oldest of the stream; -1 for none.
    private int AnswerFor(DeviceEndpoint endpoint)
    {
        for (int at = 0; at < _answers.Count; at++)
        {
            if (!HasStreams || _answers[at].Tag == endpoint.Stream)
                return at;
        }

        return -1;
    }

    private UsbReply TakeUnit(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        InformationUnit head = Packed.Read<InformationUnit>(data);

        // Whom nobody could answer: no tag, or one that has no stream.
        if (data.Length < InformationUnit.Size || (HasStreams && (head.Tag == 0 || head.Tag > StreamCount)))
        {
            endpoint.IsHalted = true;
            return UsbReply.Stall;
        }

        if (head.Tag is 0 or > TagMax)
            Respond(head.Tag, ResponseCode.InvalidUnit);
        else if (head.Id == InformationUnitId.Command)
            TakeCommand(Packed.Read<CommandUnit>(data), data.Length);
        else if (head.Id == InformationUnitId.TaskManagement && data.Length == TaskManagementUnit.Size)
            Manage(Packed.Read<TaskManagementUnit>(data));
        else
            Respond(head.Tag, ResponseCode.InvalidUnit);
        return UsbReply.Ack;
    }

    private void TakeCommand(in CommandUnit unit, int length)
    {
        if (length != CommandUnit.Size + (4 * unit.AdditionalLength)
            || unit.Attribute is not (TaskAttribute.Simple or TaskAttribute.HeadOfQueue or TaskAttribute.Ordered))
        {
            Respond(unit.Tag, ResponseCode.InvalidUnit);
        }
        else if (Abort(unit.Tag))
        {
            // Two commands with one tag: neither is done.
            Respond(unit.Tag, ResponseCode.OverlappedTag);
        }
        else if (unit.LogicalUnit != 0)
        {
            _answers.Add(UasAnswer.Ended(unit.Tag, ScsiStatus.CheckCondition, Sense.UnknownUnit));
        }
        else if (_waiting.Count == WaitingMax)
        {
            _answers.Add(UasAnswer.Ended(unit.Tag, ScsiStatus.TaskSetFull, Sense.None));
        }
        else
        {
            _waiting.Insert(unit.Attribute == TaskAttribute.HeadOfQueue ? 0 : _waiting.Count, new(unit.Tag, unit.Command));
        }

        RunNext();
    }

    private void Manage(in TaskManagementUnit unit)
    {
        ResponseCode code = unit.LogicalUnit != 0 ? ResponseCode.IncorrectLogicalUnit
            : HasTask(unit.Tag) ? ResponseCode.OverlappedTag
            : ResponseCode.Complete;
        if (code == ResponseCode.Complete)
        {
            switch (unit.Function)
            {
                case TaskFunction.AbortTask:
                    // One that is not there has ended already, which is as good.
                    _ = Abort(unit.TaskTag);
                    break;
                case TaskFunction.AbortTaskSet or TaskFunction.ClearTaskSet or TaskFunction.NexusReset:
                    AbortAll();
                    break;
                case TaskFunction.LogicalUnitReset:
                    AbortAll();
                    disk.Reset();
                    break;
                case TaskFunction.QueryTask:
                    code = HasTask(unit.TaskTag) ? ResponseCode.Succeeded : ResponseCode.Complete;
                    break;
                case TaskFunction.QueryTaskSet:
                    code = TaskCount != 0 ? ResponseCode.Succeeded : ResponseCode.Complete;
                    break;
                default:
                    code = ResponseCode.NotSupported;
                    break;
            }
        }

        Respond(unit.Tag, code);
        RunNext();
    }

    private void Respond(ushort tag, ResponseCode code) => _answers.Add(UasAnswer.Response(tag, code));

    private bool HasTask(ushort tag) => (tag != 0 && tag == _running) || _waiting.Exists(task => task.Tag == tag);

    private bool Abort(ushort tag)
    {
        if (tag != 0 && tag == _running)
        {
            disk.Abort();
            StopRunning();
            _ = _answers.RemoveAll(static answer => answer.IsReady);
            return true;
        }

        return _waiting.RemoveAll(task => task.Tag == tag) != 0;
    }

    private void AbortAll()
    {
        disk.Abort();
        StopRunning();
        _ = _answers.RemoveAll(static answer => answer.IsReady);
        _waiting.Clear();
    }

    // Commands that move no data end at once, so the next one follows.
    private void RunNext()
    {
        while (_running == 0 && _waiting.Count != 0)
        {
            Waiting next = _waiting[0];
            _waiting.RemoveAt(0);
            _running = next.Tag;
            ScsiTask task = disk.Begin(next.Command, length: 16);
            _direction = task.Direction;
            _dataLeft = task.Length;
            if (task.Direction == ScsiDirection.None)
                Finish();
            else if (!HasStreams)
                _answers.Add(UasAnswer.Ready(next.Tag, isRead: task.Direction == ScsiDirection.In));
        }
    }

    private UsbReply SendData(DeviceEndpoint endpoint, Span<byte> packet)
    {
        int length = (int)Math.Min((ulong)endpoint.MaxPacketSize, _dataLeft);
        if (!_packetReady)
        {
            if (!disk.Read(_lastPacket.AsSpan(0, length)))
            {
                // The medium failed: no more data, and the status says why.
                EndRunning();
                return UsbReply.Nak;
            }

            _packetReady = true;
            _packetLength = length;
        }

        // The disk does not go back: what the host did not get is sent again from here.
        _lastPacket.AsSpan(0, length).CopyTo(packet);
        return UsbReply.Data(endpoint.Toggle, length);
    }

    private UsbReply TakeData(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        int length = (int)Math.Min((ulong)data.Length, _dataLeft);
        if (!disk.Write(data[..length]))
        {
            EndRunning();
            return UsbReply.Nak;
        }

        // The host ends its data early with a short packet.
        _dataLeft -= (ulong)length;
        if (_dataLeft == 0 || data.Length < endpoint.MaxPacketSize)
            EndRunning();
        return UsbReply.Ack;
    }

    private void EndRunning()
    {
        Finish();
        RunNext();
    }

    private void Finish()
    {
        ushort tag = _running;
        bool passed = disk.Finish();
        StopRunning();
        _answers.Add(UasAnswer.Ended(tag, passed ? ScsiStatus.Good : ScsiStatus.CheckCondition, disk.TakeSense()));
    }

    private void StopRunning()
    {
        _running = 0;
        _direction = ScsiDirection.None;
        _dataLeft = 0;
        _packetReady = false;
    }
}
