using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What the controller holds of one endpoint: its context, where it is on its ring, and what the wire needs.</summary>
internal sealed class XhciEndpoint(DeviceSlot slot, int index)
{
    private const int LengthMask = 0xFF_FFFF;

    /// <summary>Its device.</summary>
    public DeviceSlot Slot => slot;

    /// <summary>Its context index, 1 to 31.</summary>
    public int Index => index;

    /// <summary>Its context as software gave it; state and dequeue pointer are those of the last time it was written back.</summary>
    public EndpointContext Context { get; private set; }

    /// <summary>Its state.</summary>
    public EndpointState State { get; set; }

    /// <summary>Where it is on its ring; with streams, on the ring of the stream that it works on.</summary>
    public RingCursor Ring;

    /// <summary>Bytes of the TRB there that were moved already.</summary>
    public int Done { get; set; }

    /// <summary>Bytes of the transfer descriptor that were moved already.</summary>
    public int Moved { get; set; }

    /// <summary>EDTLA: bytes moved since the last event data TRB, or since the transfer began, 24 bits.</summary>
    public int EventLength { get; private set; }

    /// <summary>What is left of the transfer descriptor is passed over, for a short packet or for an error.</summary>
    public bool IsSkipping { get; set; }

    /// <summary>The code that event data TRBs get while the rest is passed over.</summary>
    public CompletionCode SkipCode { get; set; }

    /// <summary>Whether software was told already of why the rest is passed over.</summary>
    public bool IsTold { get; set; }

    /// <summary>Whether a TRB was looked at that belongs to the controller.</summary>
    public bool IsInFlight { get; set; }

    /// <summary>Whether the data stage of a control transfer goes to the host.</summary>
    public bool IsControlIn { get; set; }

    /// <summary>DATA1 is next.</summary>
    public bool Toggle { get; set; }

    /// <summary>A high-speed OUT endpoint had no room: it is asked by PING first.</summary>
    public bool Ping { get; set; }

    /// <summary>CErr as it counts down.</summary>
    public int ErrorsLeft { get; set; }

    /// <summary>A translator has the transaction: a complete-split is next.</summary>
    public bool SplitStarted { get; set; }

    /// <summary>Complete-splits that were answered NYET.</summary>
    public int SplitWaits { get; set; }

    /// <summary>Bytes of a packet that a translator sent in parts already, or of a payload that it was given in parts.</summary>
    public int SplitBytes { get; set; }

    /// <summary>The parts of a packet from a translator; null until it is needed once.</summary>
    public byte[]? SplitData { get; set; }

    /// <summary>Isochronous: the ring was found empty, and software knows.</summary>
    public bool IsStarved { get; set; }

    /// <summary>Whether it waited for its turn on the wire when its state was saved: it does again once the controller runs.</summary>
    public bool HadWork { get; set; }

    /// <summary>Its streams.</summary>
    public EndpointStreams Streams { get; } = new();

    /// <summary>Whether it waits for its turn on the wire; falls with everything that makes it stop.</summary>
    public bool IsActive { get; private set; }

    /// <summary>Which activation this is: places in queues that are older do not count.</summary>
    public uint Activation { get; private set; }

    /// <summary>Kind and direction.</summary>
    public XhciEndpointType Type { get; private set; }

    /// <summary>Control, isochronous, bulk or interrupt.</summary>
    public TransferType TransferType { get; private set; }

    /// <summary>Whether it sends to the host; not of control endpoints.</summary>
    public bool IsIn { get; private set; }

    /// <summary>Bytes in a full packet, 1 to 1024.</summary>
    public int MaxPacket { get; private set; }

    /// <summary>Packets that it may move in one go.</summary>
    public int Burst { get; private set; }

    /// <summary>Microframes from one service to the next; 1 for endpoints that are served whenever there is time.</summary>
    public ulong Period { get; private set; }

    /// <summary>Interrupt and isochronous endpoints.</summary>
    public bool IsPeriodic => TransferType is TransferType.Interrupt or TransferType.Isochronous;

    /// <summary>Its number, 0 to 15.</summary>
    public byte Number => (byte)ContextIndex.Number(index);

    /// <summary>Software gives it a context: it starts from there.</summary>
    /// <param name="context">The context; its values were checked.</param>
    public void Configure(in EndpointContext context)
    {
        Deactivate();
        HadWork = false;
        Context = context;
        State = EndpointState.Running;
        Type = context.Type;
        TransferType = (XhciEndpointType)((int)Type & 3) switch
        {
            XhciEndpointType.IsochronousOut => TransferType.Isochronous,
            XhciEndpointType.BulkOut => TransferType.Bulk,
            XhciEndpointType.InterruptOut => TransferType.Interrupt,
            _ => TransferType.Control,
        };
        IsIn = (int)Type > (int)XhciEndpointType.Control;
        UseSpeed(slot.Speed);
        Rewind(new(context.Dequeue, context.CycleState));
        Streams.Configure(context);
        ResetWire();
    }

    /// <summary>The largest packet of endpoint 0 became known.</summary>
    public void SetMaxPacket(int bytes)
    {
        Context = Context with { MaxPacketSize = bytes };
        UseSpeed(slot.Speed);
    }

    /// <summary>It is gone.</summary>
    public void Drop()
    {
        Deactivate();
        State = EndpointState.Disabled;
        Context = default;
    }

    /// <summary>The ring goes on elsewhere.</summary>
    public void Rewind(RingCursor ring)
    {
        Ring = ring;
        (Done, Moved, EventLength, IsSkipping, IsTold, IsInFlight, IsStarved) = (0, 0, 0, false, false, false, false);
    }

    /// <summary>Toggle, error counter and splits as after a configuration.</summary>
    public void ResetWire()
    {
        (Toggle, Ping) = (false, false);
        ErrorsLeft = Context.ErrorCount;
        ForgetSplit();
    }

    /// <summary>Nothing is under way at a translator any more.</summary>
    public void ForgetSplit() => (SplitStarted, SplitWaits, SplitBytes) = (false, 0, 0);

    /// <summary>Bytes were moved.</summary>
    public void Count(int bytes)
    {
        Moved += bytes;
        EventLength = (EventLength + bytes) & LengthMask;
    }

    /// <summary>The length for an event data TRB, which begins anew with that.</summary>
    public int TakeEventLength()
    {
        int length = EventLength;
        EventLength = 0;
        return length;
    }

    /// <summary>It waits for its turn from now on.</summary>
    public void Activate()
    {
        IsActive = true;
        Activation++;
    }

    /// <summary>It does not wait any more.</summary>
    public void Deactivate() => IsActive = false;

    /// <summary>Its context as software shall see it.</summary>
    public EndpointContext Snapshot()
    {
        EndpointContext context = Context with { State = State };
        if (!Streams.Exist)
            context = context with { Dequeue = Ring.Address & ~0xFul, CycleState = Ring.Cycle };
        return Context = context;
    }

    /// <summary>What <see cref="Snapshot"/> does not tell, in one number.</summary>
    public ulong Hidden
    {
        get => (uint)Done | ((ulong)EventLength << 32) | (Toggle ? 1ul << 56 : 0) | (Ping ? 1ul << 57 : 0) | (IsControlIn ? 1ul << 58 : 0) | (IsInFlight ? 1ul << 59 : 0);
        set
        {
            // It comes from memory that software could write: nothing out of range is taken over.
            (Done, EventLength) = ((int)(value & 0x1_FFFF), (int)(value >> 32) & LengthMask);
            (Toggle, Ping) = ((value & (1ul << 56)) != 0, (value & (1ul << 57)) != 0);
            (IsControlIn, IsInFlight) = ((value & (1ul << 58)) != 0, (value & (1ul << 59)) != 0);
        }
    }

    /// <summary>How far the transfer descriptor is, in one number: what was moved of it, how the rest is passed over, errors, and whether there is work.</summary>
    public ulong Progress
    {
        get => (uint)Moved | ((ulong)SkipCode << 32) | (IsSkipping ? 1ul << 40 : 0) | (IsTold ? 1ul << 41 : 0) | (IsStarved ? 1ul << 42 : 0)
            | (IsActive || HadWork ? 1ul << 43 : 0) | ((ulong)(uint)ErrorsLeft << 44) | ((ulong)Streams.Current << 48);
        set
        {
            (Moved, SkipCode) = ((int)(value & int.MaxValue), (CompletionCode)(byte)(value >> 32));
            (IsSkipping, IsTold, IsStarved) = ((value & (1ul << 40)) != 0, (value & (1ul << 41)) != 0, (value & (1ul << 42)) != 0);
            (HadWork, ErrorsLeft) = ((value & (1ul << 43)) != 0, (int)(value >> 44 & 0b11));
        }
    }

    private void UseSpeed(UsbSpeed speed)
    {
        MaxPacket = Context.MaxPacketSize;
        Burst = (speed, TransferType) switch
        {
            (UsbSpeed.Super, TransferType.Isochronous) => (Context.BurstMax + 1) * (Context.Mult + 1),
            (UsbSpeed.Super, _) => Context.BurstMax + 1,
            (UsbSpeed.High, TransferType.Isochronous or TransferType.Interrupt) => Context.BurstMax + 1,
            _ => 1,
        };
        Period = IsPeriodic ? 1ul << Context.Interval : 1;
    }
}
