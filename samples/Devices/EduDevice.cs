using Dma.Machine;

namespace Dma.Devices;

/// <summary>The teaching device of QEMU, 1234h:11E8h: an inverter, a factorial, interrupts, and DMA to a buffer of 4 KiB.</summary>
/// <remarks>
/// Its registers are as QEMU's documentation gives them (docs/specs/edu). What that leaves open: a read of less than a
/// doubleword gives zeros, one of another width or at an offset that has no register all ones, and such writes are lost;
/// a transfer that would leave the buffer moves nothing, and ends as others do; a page that the bus refuses arrives as
/// zeros. A factorial is done as soon as events run, without time passing, so that software which only polls comes to
/// an end.
/// </remarks>
public sealed class EduDevice : PciFunction
{
    /// <summary>Where the buffer begins, as the DMA registers name it; processors cannot reach it.</summary>
    public const ulong BufferStart = 0x40000;

    /// <summary>Bytes in the buffer.</summary>
    public const int BufferLength = 4096;

    /// <summary>Bytes of BAR 0.</summary>
    public const ulong WindowLength = 1 << 20;

    private const int Bar = 0;

    private const ulong Identification = 0x00;
    private const ulong Liveness = 0x04;
    private const ulong Factorial = 0x08;
    private const ulong Status = 0x20;
    private const ulong InterruptStatus = 0x24;
    private const ulong InterruptRaise = 0x60;
    private const ulong InterruptAcknowledge = 0x64;
    private const ulong DmaSource = 0x80;
    private const ulong DmaDestination = 0x88;
    private const ulong DmaCount = 0x90;
    private const ulong DmaCommand = 0x98;

    // Version 1.0, and its name in the low bits.
    private const uint IdentificationValue = 0x0100_00ED;
    private const uint Computing = 0x01;
    private const uint InterruptAfterFactorial = 0x80;
    private const uint FactorialInterrupt = 0x001;
    private const uint DmaInterrupt = 0x100;
    private const ulong StartTransfer = 1 << 0;
    private const ulong FromDevice = 1 << 1;
    private const ulong InterruptAfterTransfer = 1 << 2;

    // From 34 on, the factorial is a multiple of 2^32.
    private const uint FactorialIsZeroFrom = 34;

    private readonly EventLoop _loop;
    private readonly EduOptions _options;
    private readonly ScheduledEvent _factorialDone;
    private readonly ScheduledEvent _transferDone;
    private readonly byte[] _buffer = new byte[BufferLength];
    private uint _liveness;
    private uint _factorial;
    private uint _status;
    private uint _interrupts;
    private ulong _source;
    private ulong _destination;
    private ulong _count;
    private ulong _command;

    /// <summary>A device; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    public EduDevice(EventLoop loop, EduOptions? options = null)
        : base(new(0x1234, 0x11E8, ClassCode: 0x00_FF00, Revision: 0x10, SubsystemVendorId: 0x1AF4, SubsystemId: 0x1100))
    {
        _loop = loop;
        _options = options ?? new();
        _factorialDone = new(EndFactorial);
        _transferDone = new(EndTransfer);
        AddMemoryBar(Bar, WindowLength);
        AddInterruptPin(1);
        _ = AddCapability(new MsiCapability(perVectorMasking: false));
    }

    private bool IsTransferring => (_command & StartTransfer) != 0;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        if (!IsRegister(offset, width))
            return width < 4 ? 0 : RegisterFile.AllOnes(width);
        return offset switch
        {
            Identification => IdentificationValue,
            Liveness => _liveness,
            Factorial => _factorial,
            Status => _status,
            InterruptStatus => _interrupts,
            DmaSource => _source,
            DmaDestination => _destination,
            DmaCount => _count,
            DmaCommand => _command,
            _ => RegisterFile.AllOnes(width),
        };
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (!IsRegister(offset, width))
            return;
        switch (offset)
        {
            case Liveness:
                _liveness = ~(uint)value;
                break;
            case Factorial when (_status & Computing) == 0:
                _factorial = (uint)value;
                _status |= Computing;
                _loop.Schedule(0, _factorialDone);
                break;
            case Status:
                _status = (_status & ~InterruptAfterFactorial) | ((uint)value & InterruptAfterFactorial);
                break;
            case InterruptRaise:
                Raise((uint)value);
                break;
            case InterruptAcknowledge:
                _interrupts &= ~(uint)value;
                SetInterruptLevel(_interrupts != 0);
                break;
            default:
                WriteTransfer(offset, value);
                break;
        }
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _factorialDone.Cancel();
        _transferDone.Cancel();
        Array.Clear(_buffer);
        _liveness = _factorial = _status = _interrupts = 0;
        _source = _destination = _count = _command = 0;
    }

    // Below 80h doublewords alone, from there on quadwords too.
    private static bool IsRegister(ulong offset, int width) => width == 4 || (width == 8 && offset >= DmaSource);

    // The DMA registers stand still while a transfer runs.
    private void WriteTransfer(ulong offset, ulong value)
    {
        if (IsTransferring)
            return;
        switch (offset)
        {
            case DmaSource:
                _source = value;
                break;
            case DmaDestination:
                _destination = value;
                break;
            case DmaCount:
                _count = value;
                break;
            case DmaCommand when (value & StartTransfer) != 0:
                _command = value;
                _loop.Schedule(_options.TransferNs, _transferDone);
                break;
            default:
                // Nothing to write there.
                break;
        }
    }

    private void Raise(uint reasons)
    {
        _interrupts |= reasons;
        if (_interrupts == 0)
            return;
        RaiseInterrupt();
        SetInterruptLevel(true);
    }

    private void EndFactorial()
    {
        uint product = _factorial < FactorialIsZeroFrom ? 1u : 0;
        for (uint factor = 2; product != 0 && factor <= _factorial; factor++)
            product *= factor;
        _factorial = product;
        _status &= ~Computing;
        if ((_status & InterruptAfterFactorial) != 0)
            Raise(FactorialInterrupt);
    }

    private void EndTransfer()
    {
        bool fromDevice = (_command & FromDevice) != 0;
        ulong inBuffer = (fromDevice ? _source : _destination) - BufferStart;
        if (inBuffer <= BufferLength && _count <= BufferLength - inBuffer)
            Transfer(fromDevice, (fromDevice ? _destination : _source) & _options.DmaMask, _buffer.AsSpan((int)inBuffer, (int)_count));
        _command &= ~StartTransfer;
        if ((_command & InterruptAfterTransfer) != 0)
            Raise(DmaInterrupt);
    }

    // Each page is a request of its own: one that is refused says nothing about the next.
    private void Transfer(bool fromDevice, ulong address, Span<byte> bytes)
    {
        while (bytes.Length != 0)
        {
            Iova at = new(address);
            Span<byte> piece = bytes[..Math.Min(bytes.Length, BufferLength - at.PageOffset)];
            if (fromDevice)
                _ = Dma.Write(at, piece);
            else if (Dma.Read(at, piece) != DmaStatus.Success)
                piece.Clear();
            bytes = bytes[piece.Length..];
            address += (ulong)piece.Length;
        }
    }
}
