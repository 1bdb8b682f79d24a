using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A direct-access block device that speaks SCSI, whatever carries the commands to it (SPC, SBC).</summary>
/// <remarks>
/// One command at a time: <see cref="Begin"/>, then its data in pieces, then <see cref="Finish"/>. A command that
/// failed leaves sense data, which the next REQUEST SENSE takes.
/// </remarks>
public sealed class ScsiDisk
{
    private const int StageBytes = 64 * 1024;

    private readonly IDiskImage _image;
    private readonly ScsiDiskOptions _options;
    private readonly byte[] _stage = new byte[StageBytes];
    private readonly byte[] _answer = new byte[ScsiAnswers.LengthMax];
    private readonly uint _blockLength;
    private Sense _attention;
    private bool _isTransfer;
    private ScsiDirection _direction;
    private ulong _position;
    private ulong _end;
    private int _stageStart;
    private int _stageEnd;
    private int _answerDone;
    private int _answerLength;

    /// <summary>A disk over an image.</summary>
    public ScsiDisk(IDiskImage image, ScsiDiskOptions options)
    {
        if (options.BlockLength is < 512 or > 4096 || (options.BlockLength & (options.BlockLength - 1)) != 0)
            throw new ArgumentException("Blocks have 512, 1024, 2048 or 4096 bytes.", nameof(options));
        _image = image;
        _options = options;
        _blockLength = (uint)options.BlockLength;
        BlockCount = image.Length / _blockLength;
        Reset();
    }

    /// <summary>Whole blocks on the disk.</summary>
    public ulong BlockCount { get; }

    /// <summary>Why the last command failed.</summary>
    public Sense Sense { get; private set; }

    /// <summary>Power came back, or the bus was reset: a command under way is forgotten, and the host will be told.</summary>
    public void Reset()
    {
        Abort();
        Sense = Sense.None;
        _attention = _options.ReportsReset ? Sense.ResetOccurred : Sense.None;
    }

    /// <summary>Forgets a command under way.</summary>
    public void Abort()
    {
        _isTransfer = false;
        _direction = ScsiDirection.None;
        _stageStart = _stageEnd = _answerDone = _answerLength = 0;
        _position = _end = 0;
    }

    /// <summary>Starts a command.</summary>
    /// <param name="command">The bytes of the command.</param>
    /// <param name="length">How many of them were sent, 1 to 16.</param>
    /// <returns>The data that it wants to move; where it failed, none.</returns>
    public ScsiTask Begin(in CommandBlock command, int length)
    {
        Abort();
        ScsiOperation operation = command.Operation;

        // Sense data belongs to the command before; it is taken by REQUEST SENSE and dropped by any other.
        if (operation == ScsiOperation.RequestSense)
            return RequestSense(new(command.Raw));
        Sense = Sense.None;
        if (length < LengthOf(operation))
            return Fail(Sense.InvalidField);

        // A unit attention comes before every command but those that ask who is there.
        if (_attention != Sense.None && operation is not (ScsiOperation.Inquiry or ScsiOperation.ReportLuns))
        {
            Sense attention = _attention;
            _attention = Sense.None;
            return Fail(attention);
        }

        return Execute(operation, command);
    }

    /// <summary>Takes the next bytes of a command that sends data.</summary>
    /// <param name="destination">At most as many as are left of the length that <see cref="Begin"/> gave.</param>
    /// <returns><c>false</c> where they cannot be had; then <see cref="Sense"/> says why, and nothing more follows.</returns>
    public bool Read(Span<byte> destination)
    {
        if (!_isTransfer)
        {
            int count = Math.Min(destination.Length, _answerLength - _answerDone);
            _answer.AsSpan(_answerDone, count).CopyTo(destination);
            _answerDone += count;
            return count == destination.Length;
        }

        while (!destination.IsEmpty)
        {
            if (_stageStart == _stageEnd && !Fill())
                return false;
            int count = Math.Min(destination.Length, _stageEnd - _stageStart);
            _stage.AsSpan(_stageStart, count).CopyTo(destination);
            _stageStart += count;
            destination = destination[count..];
        }

        return true;
    }

    /// <summary>Gives the next bytes to a command that takes data.</summary>
    /// <param name="source">At most as many as are left of the length that <see cref="Begin"/> gave.</param>
    /// <returns><c>false</c> where they cannot be kept; then <see cref="Sense"/> says why, and nothing more is taken.</returns>
    public bool Write(ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            if (_stageEnd == StageBytes && !Drain())
                return false;
            int count = Math.Min(source.Length, StageBytes - _stageEnd);
            source[..count].CopyTo(_stage.AsSpan(_stageEnd));
            _stageEnd += count;
            source = source[count..];
        }

        return true;
    }

    /// <summary>Ends a command: whole blocks that came are on the medium before it answers.</summary>
    /// <returns>Whether it passed; where not, <see cref="Sense"/> says why.</returns>
    public bool Finish()
    {
        if (_direction == ScsiDirection.Out && Sense == Sense.None)
            _ = Drain();
        bool passed = Sense == Sense.None;
        Abort();
        return passed;
    }

    /// <summary>Why the last command failed, for a transport that sends sense data with the status; afterwards it is forgotten.</summary>
    public Sense TakeSense()
    {
        Sense sense = Sense;
        Sense = Sense.None;
        return sense;
    }

    private static int LengthOf(ScsiOperation operation) => ((byte)operation >> 5) switch
    {
        0 => 6,
        1 or 2 => 10,
        4 => 16,
        5 => 12,
        _ => 1,
    };

    private ScsiTask Execute(ScsiOperation operation, in CommandBlock command)
    {
        CommandBlock6 six = new(command.Raw);
        CommandBlock10 ten = new(command.Raw);
        CommandBlock12 twelve = new(command.Raw);
        CommandBlock16 sixteen = new(command.Raw);
        return operation switch
        {
            ScsiOperation.TestUnitReady or ScsiOperation.StartStopUnit => ScsiTask.NoData,
            ScsiOperation.PreventAllowMediumRemoval => _options.IsRemovable ? ScsiTask.NoData : Fail(Sense.InvalidField),
            ScsiOperation.SynchronizeCache10 => Synchronize(ten.LogicalBlock, ten.Length),
            ScsiOperation.SynchronizeCache16 => Synchronize(sixteen.LogicalBlock, sixteen.Length),
            ScsiOperation.Verify10 => Verify(ten.Options, ten.LogicalBlock, ten.Length),
            ScsiOperation.Verify16 => Verify(sixteen.Options, sixteen.LogicalBlock, sixteen.Length),
            ScsiOperation.Read6 => Transfer(ScsiDirection.In, six.LogicalBlock, six.Length == 0 ? 256u : six.Length),
            ScsiOperation.Read10 => Transfer(ScsiDirection.In, ten.LogicalBlock, ten.Length),
            ScsiOperation.Read12 => Transfer(ScsiDirection.In, twelve.LogicalBlock, twelve.Length),
            ScsiOperation.Read16 => Transfer(ScsiDirection.In, sixteen.LogicalBlock, sixteen.Length),
            ScsiOperation.Write6 => Transfer(ScsiDirection.Out, six.LogicalBlock, six.Length == 0 ? 256u : six.Length),
            ScsiOperation.Write10 => Transfer(ScsiDirection.Out, ten.LogicalBlock, ten.Length),
            ScsiOperation.Write12 => Transfer(ScsiDirection.Out, twelve.LogicalBlock, twelve.Length),
            ScsiOperation.Write16 => Transfer(ScsiDirection.Out, sixteen.LogicalBlock, sixteen.Length),
            ScsiOperation.Inquiry => Inquiry(command),
            ScsiOperation.ModeSense6 => Answer(ScsiAnswers.ModeSense6(command, _image.IsReadOnly, _answer), six.Length),
            ScsiOperation.ModeSense10 => Answer(ScsiAnswers.ModeSense10(command, _image.IsReadOnly, _answer), ten.Length),
            ScsiOperation.ReadCapacity10 => Answer(ScsiAnswers.ReadCapacity10(BlockCount, _blockLength, _answer), ReadCapacity10Data.Size),
            ScsiOperation.ServiceActionIn16 when (sixteen.Options & 0x1F) == ScsiAnswers.ReadCapacity16Action =>
                Answer(ScsiAnswers.ReadCapacity16(BlockCount, _blockLength, _answer), sixteen.Length),
            ScsiOperation.ServiceActionIn16 => Fail(Sense.InvalidField),
            ScsiOperation.ReadFormatCapacities => Answer(ScsiAnswers.ReadFormatCapacities(BlockCount, _blockLength, _answer), ten.Length),
            ScsiOperation.ReportLuns => Answer(ScsiAnswers.ReportLuns(_answer), BinaryPrimitives.ReverseEndianness((uint)command.Raw.Bits(79, 48))),
            _ => Fail(Sense.InvalidOperation),
        };
    }

    private ScsiTask Fail(Sense sense)
    {
        Sense = sense;
        return ScsiTask.NoData;
    }

    private ScsiTask Answer(int length, uint allocation)
    {
        if (length < 0)
            return Fail(Sense.InvalidField);
        _answerLength = (int)Math.Min((uint)length, allocation);
        _direction = ScsiDirection.In;
        return ScsiTask.In((ulong)_answerLength);
    }

    private ScsiTask Inquiry(in CommandBlock command) =>
        Answer(ScsiAnswers.Inquiry(command, _options, _answer), BinaryPrimitives.ReverseEndianness((ushort)command.Raw.Bits(39, 24)));

    private ScsiTask RequestSense(in CommandBlock6 command)
    {
        Sense sense = Sense == Sense.None ? _attention : Sense;
        Sense = _attention = Sense.None;
        return Answer(ScsiAnswers.SenseData(sense, _answer), command.Length);
    }

    private ScsiTask Transfer(ScsiDirection direction, ulong block, uint count)
    {
        if (!Contains(block, count))
            return Fail(Sense.OutOfRange);
        if (direction == ScsiDirection.Out && _image.IsReadOnly)
            return Fail(Sense.WriteProtected);
        _isTransfer = true;
        _direction = direction;
        _position = block * _blockLength;
        _end = _position + ((ulong)count * _blockLength);
        return count == 0 ? ScsiTask.NoData : new(direction, _end - _position);
    }

    private ScsiTask Synchronize(ulong block, uint count)
    {
        if (!Contains(block, count))
            return Fail(Sense.OutOfRange);
        return _image.TryFlush() ? ScsiTask.NoData : Fail(Sense.InternalFailure);
    }

    // BYTCHK, bits 2:1, asks for a comparison with data from the host, which is not offered.
    private ScsiTask Verify(byte options, ulong block, uint count)
    {
        if ((options & 0b110) != 0)
            return Fail(Sense.InvalidField);
        return Contains(block, count) ? ScsiTask.NoData : Fail(Sense.OutOfRange);
    }

    private bool Contains(ulong block, uint count) => block <= BlockCount && count <= BlockCount - block;

    // Reads ahead; where that fails, block by block, so that the blocks before a bad one still arrive.
    private bool Fill()
    {
        int count = (int)Math.Min(StageBytes, _end - _position);
        if (count == 0)
            return false;
        if (!_image.TryRead(_position, _stage.AsSpan(0, count)))
        {
            count = (int)_blockLength;
            if (!_image.TryRead(_position, _stage.AsSpan(0, count)))
            {
                Sense = Sense.UnreadableBlock(_position / _blockLength);
                return false;
            }
        }

        _position += (ulong)count;
        (_stageStart, _stageEnd) = (0, count);
        return true;
    }

    // Writes whole blocks only; a torn block at the end of an interrupted transfer is dropped.
    private bool Drain()
    {
        int count = (int)Math.Min((ulong)(_stageEnd - (_stageEnd % (int)_blockLength)), _end - _position);
        if (count != 0 && !_image.TryWrite(_position, _stage.AsSpan(0, count)))
        {
            Sense = Sense.UnwritableBlock(_position / _blockLength);
            return false;
        }

        _position += (ulong)count;
        _stageEnd = 0;
        return true;
    }
}
