using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that works in the address space of a process: it asks for translations, and for the pages that are missing.</summary>
/// <remarks>
/// <code>
///   access --> translation? --granted--> translated read or write
///                 | not granted
///                 v
///              page request --> wait --> Success: once more, a bounded number of times
///                                `-----> anything else: the command ends
/// </code>
/// Registers in BAR 0, by doublewords or quadwords: 00h address; 08h length in bytes, or the most nodes of a list; 0Ch bits
/// 19:0 PASID, bit 31 with PASID; 10h command: 1 reads memory into the buffer, 2 writes the buffer into memory, 3 follows a
/// list of nodes (next, value; 8 bytes each, aligned to 16) until next is 0, 4 sends a stop marker; 14h outcome, 18h page
/// requests so far, read only; 20h the sum of the values of the list. From 1000h on a buffer of 64 KiB. Each command ends
/// with the interrupt. While one runs, registers stand still.
/// </remarks>
public sealed class PagingDevice : PciFunction
{
    /// <summary>Where the buffer begins.</summary>
    public const int BufferStart = 0x1000;

    /// <summary>Bytes in the buffer.</summary>
    public const int BufferLength = 64 << 10;

    /// <summary>How often it tries one access again before it gives up.</summary>
    public const int AttemptsMax = 16;

    private const ulong WindowLength = 128 << 10;
    private const ulong Address = 0x00;
    private const ulong Length = 0x08;
    private const ulong Space = 0x0C;
    private const ulong Trigger = 0x10;
    private const ulong Outcome = 0x14;
    private const ulong PageRequests = 0x18;
    private const ulong Sum = 0x20;

    private const uint ReadCommand = 1;
    private const uint WriteCommand = 2;
    private const uint FollowCommand = 3;
    private const uint StopCommand = 4;
    private const uint WithPasid = 1u << 31;
    private const int NodeBytes = 16;
    private const ulong StepNs = 500;
    private const ulong PatienceNs = 100_000_000;

    private readonly EventLoop _loop;
    private readonly AtsCapability _ats;
    private readonly AtsPort _port;
    private readonly PageRequestInterface _pages;
    private readonly ScheduledEvent _step;
    private readonly ScheduledEvent _patienceEnds;
    private readonly byte[] _buffer = new byte[BufferLength];
    private ulong _address;
    private ulong _sum;
    private uint _length;
    private uint _space;
    private uint _command;
    private uint _pageRequests;
    private PagingOutcome _outcome;

    // Where the command is, and how often the access there was refused.
    private ulong _at;
    private uint _done;
    private int _attempts;
    private uint _question;

    /// <summary>A device; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="capacity">How many page requests it can have under way.</param>
    public PagingDevice(EventLoop loop, uint capacity = 64)
        : base(new(0x1234, 0xDA5A, ClassCode: 0x12_0000))
    {
        _loop = loop;
        AddMemoryBar(0, WindowLength);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        _ats = AddCapability(new AtsCapability());
        _pages = new(Dma, AddCapability(new PageRequestCapability(capacity)));
        _port = new(Dma, _ats, pasids: AddCapability(new PasidCapability())) { PageResponse = response => _pages.Respond(response) };
        _step = new(Step);
        _patienceEnds = new(() => Finish(PagingOutcome.NoAnswer));
        ConnectDeviceTlb(_port);
    }

    private DmaAttributes Attributes => (_space & WithPasid) != 0 ? new() { Pasid = new(_space & 0xF_FFFF) } : default;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        if (offset >= BufferStart)
            return offset + (uint)width <= BufferStart + BufferLength ? ReadBuffer((int)offset - BufferStart, width) : RegisterFile.AllOnes(width);
        if (width == 8)
            return ReadBar(bar, offset, 4) | (ReadBar(bar, offset + 4, 4) << 32);
        return width != 4 ? RegisterFile.AllOnes(width) : offset switch
        {
            Address => (uint)_address,
            Address + 4 => _address >> 32,
            Length => _length,
            Space => _space,
            Trigger => _command,
            Outcome => (uint)_outcome,
            PageRequests => _pageRequests,
            Sum => (uint)_sum,
            Sum + 4 => _sum >> 32,
            _ => 0,
        };
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (_outcome == PagingOutcome.Busy)
            return;
        if (offset >= BufferStart)
        {
            WriteBuffer((int)offset - BufferStart, width, value);
            return;
        }

        if (width == 8)
        {
            WriteBar(bar, offset, 4, (uint)value);
            WriteBar(bar, offset + 4, 4, value >> 32);
            return;
        }

        switch (offset)
        {
            case Address when width == 4:
                _address = (_address & ~(ulong)uint.MaxValue) | (uint)value;
                break;
            case Address + 4 when width == 4:
                _address = (uint)_address | (value << 32);
                break;
            case Length when width == 4:
                _length = (uint)value;
                break;
            case Space when width == 4:
                _space = (uint)value & (WithPasid | 0xF_FFFF);
                break;
            case Trigger when width == 4:
                Begin((uint)value);
                break;
            default:
                // Nothing to write there.
                break;
        }
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _step.Cancel();
        _patienceEnds.Cancel();
        Array.Clear(_buffer);
        _address = _sum = 0;
        _length = _space = _command = _pageRequests = 0;
        _outcome = PagingOutcome.Idle;
        _question++;
    }

    private ulong ReadBuffer(int offset, int width)
    {
        Span<byte> bytes = stackalloc byte[8];
        _buffer.AsSpan(offset, width).CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private void WriteBuffer(int offset, int width, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        if (offset <= BufferLength - width)
            bytes[..width].CopyTo(_buffer.AsSpan(offset));
    }

    private void Begin(uint command)
    {
        (_command, _at, _done, _attempts, _sum, _outcome) = (command, _address, 0, 0, 0, PagingOutcome.Busy);
        bool isMove = command is ReadCommand or WriteCommand && _length <= BufferLength;
        if (command == StopCommand && (_space & WithPasid) != 0)
        {
            _pages.SendStopMarker(new(_space & 0xF_FFFF));
            Finish(PagingOutcome.Done);
        }
        else if (isMove || command == FollowCommand)
        {
            _loop.Schedule(StepNs, _step);
        }
        else
        {
            Finish(PagingOutcome.BadCommand);
        }
    }

    // One access, within one page.
    private void Step()
    {
        if (_done == _length || (_command == FollowCommand && _at == 0))
        {
            Finish(PagingOutcome.Done);
            return;
        }

        Span<byte> node = stackalloc byte[NodeBytes];
        bool isFollow = _command == FollowCommand;
        Iova at = new(isFollow ? _at & ~(NodeBytes - 1ul) : _at);
        Span<byte> piece = isFollow ? node : _buffer.AsSpan((int)_done, (int)Math.Min(_length - _done, 4096 - (uint)at.PageOffset));
        bool write = _command == WriteCommand;
        if ((write ? _port.Write(at, piece, Attributes) : _port.Read(at, piece, Attributes)) != DmaStatus.Success)
        {
            AskAfterRefusal(at, write);
            return;
        }

        _attempts = 0;
        if (isFollow)
        {
            _done++;
            _at = BinaryPrimitives.ReadUInt64LittleEndian(node);
            _sum += BinaryPrimitives.ReadUInt64LittleEndian(node[8..]);
        }
        else
        {
            _done += (uint)piece.Length;
            _at += (uint)piece.Length;
        }

        _loop.Schedule(StepNs, _step);
    }

    // A translation that grants too little is one that the system can repair. Whatever else it was, it cannot: a translation
    // that grants all and leads nowhere is tried a bounded number of times, too.
    private void AskAfterRefusal(Iova at, bool write)
    {
        if (++_attempts > AttemptsMax)
        {
            Finish(PagingOutcome.TooManyRetries);
            return;
        }

        TranslationCompletion answer = _port.RequestTranslation(at, write, Attributes);
        if (answer.Status != TranslationStatus.Success)
            Finish(PagingOutcome.Refused);
        else if (write ? answer.Write : answer.Read)
            _loop.Schedule(StepNs, _step);
        else
            Ask(at, write);
    }

    private void Ask(Iova at, bool write)
    {
        uint question = ++_question;
        _loop.Schedule(PatienceNs, _patienceEnds);
        _pageRequests++;
        if (!_pages.TryAsk([new(at.Value & ~0xFFFul)], read: true, write, Attributes, code => Answered(question, code)))
        {
            _pageRequests--;
            Finish(PagingOutcome.CannotAsk);
        }
    }

    // An answer to a question that was given up, as by a reset, is nobody's.
    private void Answered(uint question, PageResponseCode code)
    {
        if (question != _question || _outcome != PagingOutcome.Busy)
            return;
        _patienceEnds.Cancel();
        if (code == PageResponseCode.Success)
            _loop.Schedule(StepNs, _step);
        else
            Finish(code == PageResponseCode.InvalidRequest ? PagingOutcome.InvalidRequest : PagingOutcome.Failure);
    }

    private void Finish(PagingOutcome outcome)
    {
        _patienceEnds.Cancel();
        _question++;
        _outcome = outcome;
        RaiseInterrupt();
    }
}
