using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Saves what no register shows into the scratchpad buffers, and takes it back (xHCI, save and restore).</summary>
/// <remarks>
/// <code>
/// page 0   | length | checksum | command ring | latched bits | interrupter 0 ... | slot 1 ... | slot 2 ... | streams that wait |
/// slot     | slot context | how many endpoints | for each: index, hidden state, progress, place, stream, context |
/// </code>
/// Registers that software can write are software's: it writes them before the state is taken back. What is in the image is the rest: devices,
/// where the controller is on its rings, and what waits. Endpoints that run are saved as they are; none has to be stopped.
/// An event ring goes on where its table is that of the save, the command ring where software gave none since the reset. Software can write to the
/// pages: what comes back is checked as strictly as a command would be, and anything odd leaves the controller without devices.
/// </remarks>
internal sealed class StateStore
{
    /// <summary>When nothing is under way.</summary>
    public const ulong Never = ulong.MaxValue;

    private const ulong MoveNs = 10_000;
    private const int PageBytes = 4096;
    private const int FrontBytes = StateImage.HeaderBytes + (4 * sizeof(ulong));
    private const int InterrupterBytes = (4 * sizeof(ulong)) + (EventRing.HeldMax * Trb.Size);
    private const int EndpointBytes = (5 * sizeof(ulong)) + EndpointContext.Size;
    private const int SlotBytes = SlotContext.Size + sizeof(ulong);

    // Streams that wait, of all endpoints; an endpoint keeps 64 at most.
    private const int StreamsMax = 1024;

    private readonly XhciMemory _memory;
    private readonly XhciRegisters _registers;
    private readonly DeviceTable _devices;
    private readonly ContextRules _rules;
    private readonly CommandRing _commands;
    private readonly Interrupters _interrupters;
    private readonly byte[] _bytes;
    private readonly StateImage _image;
    private bool _isGood;

    /// <summary>A store for the state of a controller.</summary>
    public StateStore(
        XhciMemory memory, XhciRegisters registers, DeviceTable devices, ContextRules rules, CommandRing commands, Interrupters interrupters, XhciOptions options)
    {
        (_memory, _registers, _devices, _rules, _commands, _interrupters) = (memory, registers, devices, rules, commands, interrupters);
        _bytes = new byte[PagesFor(options) * PageBytes];
        _image = new(_bytes);
    }

    /// <summary>How many pages software must give to the controller.</summary>
    public static int PagesFor(XhciOptions options)
    {
        int slots = options.SlotCount * (SlotBytes + ((ContextIndex.Count - 1) * EndpointBytes));
        int bytes = FrontBytes + (options.InterrupterCount * InterrupterBytes) + slots + ((1 + StreamsMax) * sizeof(ulong));
        return (bytes + PageBytes - 1) / PageBytes;
    }

    /// <summary>When what was begun ends.</summary>
    public ulong DueNs { get; private set; } = Never;

    // What writes of ones clear in USBSTS, but for errors: those end with a reset.
    private static XhciStatus LatchedStatus => new() { EventInterrupt = true, PortChange = true };

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
        _image.BeginWrite();
        _image.Put(_commands.Hidden);
        _image.Put((ulong)(_registers.UsbStatus.Raw.Value & LatchedStatus.Raw.Value));
        _image.Put(_registers.File[XhciRegisters.LegacySupport]);
        _image.Put(_registers.File[XhciRegisters.LegacyControl]);
        foreach (Interrupter interrupter in _interrupters.All)
            Put(interrupter);
        foreach (DeviceSlot slot in _devices.Slots)
            Put(slot);
        bool isWhole = PutStreams();
        _image.Seal();
        return isWhole && Move(_image.At, isWrite: true);
    }

    // Where that is refused, no device is known.
    private bool Restore()
    {
        _devices.Reset();
        if (!Move(PageBytes, isWrite: false) || _image.Length == 0 || !Move(_image.Length, isWrite: false) || !_image.TryBeginRead())
            return false;
        ulong commands = _image.Take<ulong>();
        XhciStatus status = new(new((uint)_image.Take<ulong>() & LatchedStatus.Raw.Value));
        (ulong support, ulong control) = (_image.Take<ulong>(), _image.Take<ulong>());
        bool isGood = true;
        foreach (Interrupter interrupter in _interrupters.All)
            isGood = isGood && TryTake(interrupter);
        foreach (DeviceSlot slot in _devices.Slots)
            isGood = isGood && TryTake(slot);
        foreach (DeviceSlot slot in _devices.Slots)
            isGood = isGood && TryPlace(slot);
        if (!isGood || !TryTakeStreams())
        {
            _devices.Reset();
            return false;
        }

        _commands.Hidden = commands;
        _registers.UsbStatus = new(new(_registers.UsbStatus.Raw.Value | status.Raw.Value));
        XhciLegacySupport owner = new(new((uint)_registers.File[XhciRegisters.LegacySupport]));
        _registers.File[XhciRegisters.LegacySupport] = (owner with { SystemOwned = new XhciLegacySupport(new((uint)support)).SystemOwned }).Raw.Value;
        _registers.File[XhciRegisters.LegacyControl] = control & XhciRegisters.LegacyControlBits;
        return true;
    }

    private void Put(Interrupter interrupter)
    {
        _image.Put(_registers.File[XhciRegisters.InterrupterAt(interrupter.Index) + XhciRuntimeOffsets.TableBase]);
        _image.Put((ulong)interrupter.Latched);
        _image.Put(interrupter.Ring.Hidden);
        _image.Put((ulong)interrupter.Ring.Held.Count);
        foreach (Trb held in interrupter.Ring.Held)
            _image.Put(held);
    }

    // The place on another ring than that of the save means nothing.
    private bool TryTake(Interrupter interrupter)
    {
        bool isSame = _image.Take<ulong>() == _registers.File[XhciRegisters.InterrupterAt(interrupter.Index) + XhciRuntimeOffsets.TableBase];
        (uint latched, ulong place, ulong held) = ((uint)_image.Take<ulong>(), _image.Take<ulong>(), _image.Take<ulong>());
        if (held > EventRing.HeldMax || (isSame && !interrupter.Ring.TryResume(place)))
            return false;
        for (; held > 0; held--)
        {
            Trb trb = _image.Take<Trb>();
            if (isSame)
                interrupter.Ring.Hold(trb);
        }

        if (isSame)
            interrupter.Latched = latched;
        return _image.IsGood;
    }

    private void Put(DeviceSlot slot)
    {
        int count = 0;
        for (int index = ContextIndex.Control; index < ContextIndex.Count; index++)
            count += slot.Find(index) is null ? 0 : 1;
        _image.Put(slot.Context);
        _image.Put((uint)count | (slot.IsEnabled ? 1ul << 32 : 0));
        for (int index = ContextIndex.Control; index < ContextIndex.Count; index++)
        {
            if (slot.Find(index) is not { } endpoint)
                continue;
            _image.Put((ulong)index);
            _image.Put(endpoint.Hidden);
            _image.Put(endpoint.Progress);
            _image.Put((endpoint.Ring.Address & ~0xFul) | (endpoint.Ring.Cycle ? 1ul : 0));
            _image.Put(endpoint.Streams.CurrentContext);
            _image.Put(endpoint.Snapshot());
        }
    }

    private bool TryTake(DeviceSlot slot)
    {
        SlotContext context = _image.Take<SlotContext>();
        ulong counts = _image.Take<ulong>();
        int count = (int)(counts & 0xFF);
        if (counts >> 32 == 0)
            return count == 0 && _image.IsGood;
        slot.Enable();
        if (context.State == SlotState.Enabled)
            return count == 0;
        if (context.State > SlotState.Configured || context.Address >= UsbBus.AddressCount || context.RootPort == 0 || context.RootPort > _devices.Ports.Count)
            return false;
        slot.Context = context;
        slot.Port = _devices.Ports[context.RootPort - 1];
        for (; count > 0; count--)
        {
            if (!TryTakeEndpoint(slot))
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

    private bool TryTakeEndpoint(DeviceSlot slot)
    {
        (ulong index, ulong hidden, ulong progress) = (_image.Take<ulong>(), _image.Take<ulong>(), _image.Take<ulong>());
        (ulong place, ulong stream) = (_image.Take<ulong>(), _image.Take<ulong>());
        EndpointContext context = _image.Take<EndpointContext>();
        if (!_image.IsGood || index is < ContextIndex.Control or >= ContextIndex.Count || context.State is EndpointState.Disabled or > EndpointState.Error)
            return false;
        CompletionCode code = index == ContextIndex.Control
            ? ContextRules.CheckControl(context, slot.Context.Speed)
            : _rules.CheckEndpoint(context, (int)index, slot.Speed);
        if (code != CompletionCode.Success)
            return false;
        XhciEndpoint endpoint = slot.Make((int)index);
        endpoint.Configure(context);
        (endpoint.State, endpoint.Hidden, endpoint.Progress, endpoint.Ring) = (context.State, hidden, progress, new(place & ~0xFul, (place & 1) != 0));
        endpoint.HadWork &= context.State == EndpointState.Running;
        endpoint.Streams.Resume((ushort)(progress >> 48), stream);
        return true;
    }

    // Each as slot, endpoint and stream.
    private bool PutStreams()
    {
        int countAt = _image.At;
        ulong count = 0;
        _image.Put(0ul);
        foreach (DeviceSlot slot in _devices.Slots)
        {
            for (int index = ContextIndex.Control; index < ContextIndex.Count; index++)
            {
                foreach (ushort stream in slot.Find(index)?.Streams.Waiting ?? [])
                {
                    if (++count > StreamsMax)
                        return false;
                    _image.Put(((ulong)slot.Id << 32) | ((ulong)index << 16) | stream);
                }
            }
        }

        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(countAt), count);
        return true;
    }

    private bool TryTakeStreams()
    {
        ulong count = _image.Take<ulong>();
        if (count > StreamsMax)
            return false;
        for (; count > 0; count--)
        {
            ulong waiting = _image.Take<ulong>();
            if (_devices.Find((int)(waiting >> 32 & 0xFF))?.Find((int)(waiting >> 16 & 0xFFFF)) is not { Streams: { Exist: true } streams })
                return false;
            streams.Ring((ushort)waiting);
        }

        return _image.IsGood;
    }

    // Moves the front of the image between the controller and the pages that software gave it.
    private bool Move(int length, bool isWrite)
    {
        if (!_memory.TryRead(_registers.ContextArrayAddress, out ContextPointer array) || array.Address == 0)
            return false;
        for (int at = 0; at < length; at += PageBytes)
        {
            Span<byte> page = _bytes.AsSpan(at, Math.Min(PageBytes, length - at));
            ulong entry = unchecked(array.Address + ((ulong)(at / PageBytes) * sizeof(ulong)));
            if (!_memory.TryRead(entry, out ScratchpadPointer pointer) || pointer.Address == 0)
                return false;
            if (!(isWrite ? _memory.TryWrite(pointer.Address, page) : _memory.TryRead(pointer.Address, page)))
                return false;
        }

        return true;
    }
}
