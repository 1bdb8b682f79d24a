using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device with a TLB of its own, honest or not: software writes into its registers what it shall do.</summary>
/// <remarks>
/// BAR 0 has these registers, and from 1000h on a buffer of 4 KiB:
/// <code>
///   00h  ADDRESS  8  where in the device's address space
///   08h  LENGTH   4  bytes, 0 to 4096
///   0Ch  COMMAND  4  AtsCommand; done when the write returns
///   10h  STATUS   4  DmaStatus of the last command; of Translate, 100h and the TranslationStatus
///   14h  ANSWER   4  AtsAnswer
///   18h  ENTRY    8  the translation entry that Translate was given
///   20h  PASID    4  bit 31: requests carry the PASID in bits 19:0; bit 30: with supervisor privilege
///   24h  CLAIM    4  bit 31: forged requests name the requester in bits 15:0 instead of the device
///   28h  DELAY    4  nanoseconds that a late answer takes
///   2Ch  COUNT    4  translations that it holds
/// </code>
/// Registers are read and written whole. What it does with its own translations it does only while ATS is enabled;
/// forged requests it sends at any time.
/// </remarks>
public sealed class AtsDevice : PciFunction, IDeviceTlb
{
    /// <summary>Bytes of BAR 0.</summary>
    public const ulong WindowLength = 0x2000;

    /// <summary>Where the buffer is in BAR 0.</summary>
    public const ulong BufferStart = 0x1000;

    /// <summary>Bytes in the buffer.</summary>
    public const int BufferLength = 4096;

    /// <summary>Offset of ADDRESS.</summary>
    public const ulong AddressRegister = 0x00;

    /// <summary>Offset of LENGTH.</summary>
    public const ulong LengthRegister = 0x08;

    /// <summary>Offset of COMMAND.</summary>
    public const ulong CommandRegister = 0x0C;

    /// <summary>Offset of STATUS.</summary>
    public const ulong StatusRegister = 0x10;

    /// <summary>Offset of ANSWER.</summary>
    public const ulong AnswerRegister = 0x14;

    /// <summary>Offset of ENTRY.</summary>
    public const ulong EntryRegister = 0x18;

    /// <summary>Offset of PASID.</summary>
    public const ulong PasidRegister = 0x20;

    /// <summary>Offset of CLAIM.</summary>
    public const ulong ClaimRegister = 0x24;

    /// <summary>Offset of DELAY.</summary>
    public const ulong DelayRegister = 0x28;

    /// <summary>Offset of COUNT.</summary>
    public const ulong CountRegister = 0x2C;

    /// <summary>In STATUS after <see cref="AtsCommand.Translate"/>.</summary>
    public const uint TranslationDone = 0x100;

    private readonly EventLoop _loop;
    private readonly AtsDeviceOptions _options;
    private readonly byte[] _buffer = new byte[BufferLength];
    private IDmaPort? _forger;
    private AtsTransfer _transfer;
    private ulong _address;
    private ulong _entry;
    private uint _length;
    private uint _status;
    private uint _pasid;
    private uint _claim;

    /// <summary>A device; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    public AtsDevice(EventLoop loop, AtsDeviceOptions? options = null)
        : base(new(0x1234, 0xA75D, ClassCode: 0x00_FF00))
    {
        _loop = loop;
        _options = options ?? new();
        AddMemoryBar(0, WindowLength);
        _ = AddCapability(new PciExpressCapability(_options.Type));
        Ats = AddCapability(new AtsCapability(_options.QueueDepth));
        Pasids = AddCapability(new PasidCapability());
        Port = new(Dma, Ats, _options.Tlb, Pasids);
        ConnectDeviceTlb(this);
        StartOver();
    }

    /// <summary>Its ATS capability.</summary>
    public AtsCapability Ats { get; }

    /// <summary>Its PASID capability.</summary>
    public PasidCapability Pasids { get; }

    /// <summary>Its way into memory.</summary>
    public AtsPort Port { get; }

    /// <summary>How it answers invalidations: ANSWER.</summary>
    public AtsAnswer Answer { get; set; }

    /// <summary>How long a late answer takes, in nanoseconds: DELAY.</summary>
    public uint DelayNs { get; set; }

    /// <summary>Does something, as a write of ADDRESS, LENGTH and COMMAND would.</summary>
    /// <param name="command">What.</param>
    /// <param name="address">Where.</param>
    /// <param name="length">Bytes, 0 to 4096.</param>
    /// <returns>STATUS.</returns>
    public uint Do(AtsCommand command, ulong address = 0, int length = 8)
    {
        _address = address;
        _length = (uint)length;
        Run(command);
        return _status;
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        if (offset >= BufferStart)
            return ReadBuffer((int)(offset - BufferStart), width);
        return (offset, width) switch
        {
            (AddressRegister, 8) => _address,
            (LengthRegister, 4) => _length,
            (StatusRegister, 4) => _status,
            (AnswerRegister, 4) => (ulong)Answer,
            (EntryRegister, 8) => _entry,
            (PasidRegister, 4) => _pasid,
            (ClaimRegister, 4) => _claim,
            (DelayRegister, 4) => DelayNs,
            (CountRegister, 4) => (ulong)Port.Count,
            _ => 0,
        };
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (offset >= BufferStart)
        {
            for (int at = 0; at < width && (int)(offset - BufferStart) + at < BufferLength; at++)
                _buffer[(int)(offset - BufferStart) + at] = (byte)(value >> (8 * at));
            return;
        }

        switch (offset, width)
        {
            case (AddressRegister, 8):
                _address = value;
                break;
            case (LengthRegister, 4):
                _length = (uint)Math.Min(value, BufferLength);
                break;
            case (CommandRegister, 4):
                Run((AtsCommand)value);
                break;
            case (AnswerRegister, 4) when value <= (ulong)AtsAnswer.Liar:
                Answer = (AtsAnswer)value;
                break;
            case (PasidRegister, 4):
                _pasid = (uint)value & 0xC00F_FFFF;
                break;
            case (ClaimRegister, 4):
                Claim((uint)value & 0x8000_FFFF);
                break;
            case (DelayRegister, 4):
                DelayNs = (uint)value;
                break;
        }
    }

    /// <inheritdoc/>
    public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request)
    {
        switch (Answer)
        {
            case AtsAnswer.Late:
                DeviceTlbInvalidation later = request;
                _ = _loop.Schedule(DelayNs, () => AnswerLate(later));
                return DeviceTlbAnswer.None;
            case AtsAnswer.Never:
                return DeviceTlbAnswer.None;
            case AtsAnswer.Liar:
                return DeviceTlbAnswer.Completed;
            case AtsAnswer.Twice:
                return Port.Invalidate(request) | DeviceTlbAnswer.Unexpected;
            default:
                return Port.Invalidate(request);
        }
    }

    /// <inheritdoc/>
    public void Respond(in PageGroupResponse response) => Port.Respond(response);

    /// <inheritdoc/>
    protected override void OnReset() => StartOver();

    private DmaAttributes Attributes => (_pasid >> 31) != 0
        ? new() { Pasid = new(_pasid & 0xF_FFFF), Privileged = (_pasid >> 30 & 1) != 0 }
        : default;

    private void StartOver()
    {
        Answer = _options.Answer;
        DelayNs = _options.DelayNs;
        Array.Clear(_buffer);
        _transfer = default;
        _address = _entry = 0;
        _length = _status = _pasid = 0;
        Claim(0);
    }

    private void Run(AtsCommand command)
    {
        Span<byte> bytes = _buffer.AsSpan(0, (int)_length);
        Iova at = new(_address);
        DmaAttributes forged = new(AddressType.Translated);
        _status = command switch
        {
            AtsCommand.Read => (uint)Port.Read(at, bytes, Attributes),
            AtsCommand.Write => (uint)Port.Write(at, bytes, Attributes),
            AtsCommand.ForgedRead => (uint)Forger().Read(at, bytes, forged),
            AtsCommand.ForgedWrite => (uint)Forger().Write(at, bytes, forged),
            AtsCommand.Translate => Translate(at),
            AtsCommand.Begin => Begin(at),
            AtsCommand.End => End(bytes),
            _ => 0,
        };
    }

    private uint Translate(Iova at)
    {
        TranslationCompletion completion = Port.RequestTranslation(at, wantsWrite: true, Attributes);
        _entry = completion.Entry.Raw.Value;
        return TranslationDone | (uint)completion.Status;
    }

    private uint Begin(Iova at)
    {
        Port.End(_transfer);
        return (uint)Port.TryBegin(at, write: true, Attributes, out _transfer);
    }

    private uint End(ReadOnlySpan<byte> bytes)
    {
        int length = (int)Math.Min((ulong)bytes.Length, Port.BytesOf(_transfer));
        DmaStatus status = Port.Write(_transfer, 0, bytes[..length]);
        Port.End(_transfer);
        return (uint)status;
    }

    private IDmaPort Forger()
    {
        if (_claim >> 31 == 0)
            return Dma;
        return _forger ??= OpenForged(new SourceId((ushort)_claim));
    }

    private void Claim(uint value)
    {
        if (_forger is { } forger)
            CloseForged(forger);
        _forger = null;
        _claim = value;
    }

    // It may have to wait for a transfer then, and the port completes it.
    private void AnswerLate(in DeviceTlbInvalidation request)
    {
        if (Port.Invalidate(request) == DeviceTlbAnswer.Completed)
            Port.CompleteInvalidation(request.Tag);
    }

    private ulong ReadBuffer(int offset, int width)
    {
        ulong value = 0;
        for (int at = width - 1; at >= 0; at--)
            value = (value << 8) | (offset + at < BufferLength ? _buffer[offset + at] : byte.MaxValue);
        return value;
    }
}
