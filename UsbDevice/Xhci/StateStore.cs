using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Saves what the controller knows of devices into the scratchpad buffers, and takes it back (xHCI, save and restore).</summary>
/// <remarks>
/// <code>
/// page 0   | length | checksum | slot 1 ... | slot 2 ... |
/// slot     | slot context | how many endpoints | for each: index, hidden state, context |
/// </code>
/// Software can write there: what comes back is checked as strictly as a command would be, and anything odd leaves the
/// controller without devices.
/// </remarks>
internal sealed class StateStore
{
    /// <summary>When nothing is under way.</summary>
    public const ulong Never = ulong.MaxValue;

    private const ulong MoveNs = 10_000;
    private const int PageBytes = 4096;
    private const int HeaderBytes = 16;
    private const int EndpointBytes = 8 + 8 + EndpointContext.Size;
    private const int SlotBytes = SlotContext.Size + 8;

    private readonly XhciMemory _memory;
    private readonly XhciRegisters _registers;
    private readonly DeviceTable _devices;
    private readonly ContextRules _rules;
    private readonly byte[] _image;
    private bool _isGood;

    /// <summary>A store for the devices of a controller.</summary>
    public StateStore(XhciMemory memory, XhciRegisters registers, DeviceTable devices, ContextRules rules, XhciOptions options)
    {
        (_memory, _registers, _devices, _rules) = (memory, registers, devices, rules);
        _image = new byte[PagesFor(options) * PageBytes];
    }

    /// <summary>How many pages software must give to the controller.</summary>
    public static int PagesFor(XhciOptions options) =>
        (HeaderBytes + (options.SlotCount * (SlotBytes + (ContextIndex.Count * EndpointBytes))) + PageBytes - 1) / PageBytes;

    /// <summary>When what was begun ends.</summary>
    public ulong DueNs { get; private set; } = Never;

    /// <summary>A reset.</summary>
    public void Reset() => DueNs = Never;

    /// <summary>CSS or CRS was written: the state moves at once; that it did shows a little later.</summary>
    /// <param name="saves">Whether it is saved rather than restored.</param>
    /// <param name="nowNs">The time.</param>
    public void Begin(bool saves, ulong nowNs)
    {
        _isGood = saves ? Save() : Restore();
        DueNs = nowNs + MoveNs;
        _registers.UsbStatus = _registers.UsbStatus with { Saving = saves, Restoring = !saves };
    }

    /// <summary>Time has come to <see cref="DueNs"/>.</summary>
    public void End()
    {
        DueNs = Never;
        XhciStatus status = _registers.UsbStatus;
        _registers.UsbStatus = status with { Saving = false, Restoring = false, SaveRestoreError = status.SaveRestoreError || !_isGood };
    }

    private bool Save()
    {
        int at = HeaderBytes;
        foreach (DeviceSlot slot in _devices.Slots)
            at = Append(slot, at);
        BinaryPrimitives.WriteUInt64LittleEndian(_image, (ulong)at);
        BinaryPrimitives.WriteUInt64LittleEndian(_image.AsSpan(8), Checksum(_image.AsSpan(HeaderBytes, at - HeaderBytes)));
        return Move(at, isWrite: true);
    }

    // Where that is refused, no device is known.
    private bool Restore()
    {
        _devices.Reset();
        if (!Move(PageBytes, isWrite: false))
            return false;
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(_image);
        if (length < HeaderBytes || length > (ulong)_image.Length || !Move((int)length, isWrite: false))
            return false;
        Span<byte> rest = _image.AsSpan(HeaderBytes, (int)length - HeaderBytes);
        if (Checksum(rest) != BinaryPrimitives.ReadUInt64LittleEndian(_image.AsSpan(8)))
            return false;
        bool isGood = true;
        foreach (DeviceSlot slot in _devices.Slots)
            isGood = isGood && TryTake(slot, ref rest);
        foreach (DeviceSlot slot in _devices.Slots)
            isGood = isGood && TryPlace(slot);
        if (!isGood)
            _devices.Reset();
        return isGood;
    }

    private int Append(DeviceSlot slot, int at)
    {
        int countAt = at + SlotContext.Size;
        MemoryMarshal.Write(_image.AsSpan(at), slot.Context);
        int count = 0;
        at += SlotBytes;
        for (int index = ContextIndex.Control; index < ContextIndex.Count; index++)
        {
            if (slot.Find(index) is not { } endpoint)
                continue;
            BinaryPrimitives.WriteUInt64LittleEndian(_image.AsSpan(at), (ulong)index);
            BinaryPrimitives.WriteUInt64LittleEndian(_image.AsSpan(at + 8), endpoint.Hidden);
            MemoryMarshal.Write(_image.AsSpan(at + 16), endpoint.Snapshot());
            at += EndpointBytes;
            count++;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(_image.AsSpan(countAt), (uint)count | (slot.IsEnabled ? 1ul << 32 : 0));
        return at;
    }

    private bool TryTake(DeviceSlot slot, ref Span<byte> rest)
    {
        if (rest.Length < SlotBytes)
            return false;
        SlotContext context = MemoryMarshal.Read<SlotContext>(rest);
        ulong counts = BinaryPrimitives.ReadUInt64LittleEndian(rest[SlotContext.Size..]);
        rest = rest[SlotBytes..];
        int count = (int)(counts & 0xFF);
        if (counts >> 32 == 0)
            return count == 0;
        slot.Enable();
        if (context.State == SlotState.Enabled)
            return count == 0;
        if (context.State > SlotState.Configured || context.Address >= UsbBus.AddressCount || context.RootPort == 0 || context.RootPort > _devices.Ports.Count)
            return false;
        slot.Context = context;
        slot.Port = _devices.Ports[context.RootPort - 1];
        for (; count > 0; count--)
        {
            if (!TryTakeEndpoint(slot, ref rest))
                return false;
        }

        return slot.Find(ContextIndex.Control) is not null;
    }

    // A hub may have a later slot than the devices behind it, so this comes once all slots are known.
    private bool TryPlace(DeviceSlot slot)
    {
        if (!slot.IsEnabled || slot.State == SlotState.Enabled)
            return true;
        slot.Translator = slot.Speed <= UsbSpeed.Full ? _devices.Find(slot.Context.TranslatorSlot) : null;
        return _rules.CheckSlot(slot.Context) == CompletionCode.Success;
    }

    private bool TryTakeEndpoint(DeviceSlot slot, ref Span<byte> rest)
    {
        if (rest.Length < EndpointBytes)
            return false;
        ulong index = BinaryPrimitives.ReadUInt64LittleEndian(rest);
        ulong hidden = BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]);
        EndpointContext context = MemoryMarshal.Read<EndpointContext>(rest[16..]);
        rest = rest[EndpointBytes..];
        if (index is < ContextIndex.Control or >= ContextIndex.Count || context.State is EndpointState.Disabled or > EndpointState.Error)
            return false;
        CompletionCode code = index == ContextIndex.Control
            ? ContextRules.CheckControl(context, slot.Context.Speed)
            : _rules.CheckEndpoint(context, (int)index, slot.Speed);
        if (code != CompletionCode.Success)
            return false;
        XhciEndpoint endpoint = slot.Make((int)index);
        endpoint.Configure(context);
        (endpoint.State, endpoint.Hidden) = (context.State, hidden);
        return true;
    }

    // Moves the front of the image between the controller and the pages that software gave it.
    private bool Move(int length, bool isWrite)
    {
        if (!_memory.TryRead(_registers.ContextArrayAddress, out ContextPointer array) || array.Address == 0)
            return false;
        for (int at = 0; at < length; at += PageBytes)
        {
            Span<byte> page = _image.AsSpan(at, Math.Min(PageBytes, length - at));
            ulong entry = unchecked(array.Address + ((ulong)(at / PageBytes) * sizeof(ulong)));
            if (!_memory.TryRead(entry, out ScratchpadPointer pointer) || pointer.Address == 0)
                return false;
            if (!(isWrite ? _memory.TryWrite(pointer.Address, page) : _memory.TryRead(pointer.Address, page)))
                return false;
        }

        return true;
    }

    // FNV-1a.
    private static ulong Checksum(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 0xCBF2_9CE4_8422_2325;
        foreach (byte value in bytes)
            hash = unchecked((hash ^ value) * 0x100_0000_01B3);
        return hash;
    }
}
