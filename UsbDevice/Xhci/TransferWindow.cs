using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The TRBs that the next packet of an endpoint comes from or goes to, and what becomes of them once it is moved.</summary>
/// <remarks>
/// <code>
/// transfer descriptor   | Normal 300 | Normal 600 | Event Data | Normal 124 |     chained, 1024 bytes
/// packets of 512        |--- 1 ----------|------------- 2 -----------------|
/// </code>
/// TRBs are read before the packet and passed only after it: one that is refused leaves the ring where it was.
/// </remarks>
internal sealed class TransferWindow(XhciMemory memory, RingReader rings, Interrupters events, XhciOptions options)
{
    /// <summary>The longest buffer of a TRB, in bytes.</summary>
    public const int LengthMax = 0x1_0000;

    private const int ImmediateMax = 8;
    private const int StepsMax = 32;

    private readonly Step[] _steps = new Step[StepsMax];
    private int _count;

    /// <summary>What was found.</summary>
    internal enum Outcome
    {
        /// <summary>Nobody looked.</summary>
        None = 0,

        /// <summary>The packet can go.</summary>
        Ready,

        /// <summary>TRBs of the packet are not there yet.</summary>
        Incomplete,

        /// <summary>They make no sense.</summary>
        Bad,

        /// <summary>The bus failed.</summary>
        Fault,
    }

    /// <summary>Bytes of the packet, or room for it.</summary>
    public int Bytes { get; private set; }

    /// <summary>Whether the packet is the last of its transfer descriptor.</summary>
    public bool EndsTransfer { get; private set; }

    /// <summary>Whether the last thing that was done ended a transfer descriptor.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Reads the TRB that an endpoint is at; its ring moves over links.</summary>
    public RingOutcome Look(XhciEndpoint endpoint, out Trb trb)
    {
        RingCursor ring = endpoint.Ring;
        RingOutcome outcome = rings.Read(ref ring, out trb, out PassedLink link);
        if (outcome is RingOutcome.Ready or RingOutcome.Empty)
        {
            endpoint.Ring = ring;
            TellLink(endpoint, link);
        }

        return outcome;
    }

    /// <summary>Collects the TRBs of the next packet.</summary>
    /// <param name="endpoint">Whose.</param>
    /// <param name="isIn">Whether the device sends.</param>
    /// <param name="trb">The TRB that it is at.</param>
    public Outcome Build(XhciEndpoint endpoint, bool isIn, in Trb trb)
    {
        (_count, Bytes) = (0, 0);
        Step step = new() { At = endpoint.Ring, Trb = trb, Offset = endpoint.Done };
        while (true)
        {
            if (_count == StepsMax || !TryTake(ref step, endpoint, isIn))
                return Outcome.Bad;
            _steps[_count++] = step;
            Bytes += step.Take;
            NormalTrb common = new(step.Trb.Raw);
            EndsTransfer = !common.Chain && (!CarriesData(step.Trb.Type) || step.Offset + step.Take == common.Length);
            if (!common.Chain || Bytes == endpoint.MaxPacket)
                return Outcome.Ready;
            RingCursor next = step.At.Next;
            RingOutcome outcome = rings.Read(ref next, out Trb following, out PassedLink link);
            if (outcome != RingOutcome.Ready)
                return outcome == RingOutcome.Fault ? Outcome.Fault : Outcome.Incomplete;
            step = new() { At = next, Trb = following, Link = link };
        }
    }

    /// <summary>Fetches the bytes that are sent; <c>false</c> where memory refused.</summary>
    public bool TryGather(Span<byte> packet)
    {
        int at = 0;
        for (int index = 0; index < _count; index++)
        {
            ref readonly Step step = ref _steps[index];
            NormalTrb trb = new(step.Trb.Raw);
            Span<byte> part = packet.Slice(at, step.Take);
            if (step.Take != 0 && trb.Immediate)
                CopyImmediate(trb.Buffer, step.Offset, part);
            else if (!memory.TryReadData(unchecked(trb.Buffer + (ulong)step.Offset), part))
                return false;
            at += step.Take;
        }

        return true;
    }

    /// <summary>Stores the bytes that came; <c>false</c> where memory refused.</summary>
    public bool TryScatter(ReadOnlySpan<byte> packet)
    {
        int at = 0;
        for (int index = 0; index < _count && at < packet.Length; index++)
        {
            ref readonly Step step = ref _steps[index];
            int take = Math.Min(step.Take, packet.Length - at);
            if (!memory.TryWriteData(unchecked(new NormalTrb(step.Trb.Raw).Buffer + (ulong)step.Offset), packet.Slice(at, take)))
                return false;
            at += take;
        }

        return true;
    }

    /// <summary>The packet was moved: TRBs that are done are passed, and software hears of them.</summary>
    /// <param name="endpoint">Whose.</param>
    /// <param name="bytes">Bytes that were moved.</param>
    /// <param name="isShort">Whether the device sent less than there was room for, which ends the transfer descriptor.</param>
    public void Commit(XhciEndpoint endpoint, int bytes, bool isShort)
    {
        HasEnded = false;
        endpoint.Count(bytes);
        for (int index = 0; index < _count; index++)
        {
            ref readonly Step step = ref _steps[index];
            TellLink(endpoint, step.Link);
            if (!CarriesData(step.Trb.Type))
            {
                (endpoint.Ring, endpoint.Done) = (step.At, 0);
                Pass(endpoint, step.Trb);
                continue;
            }

            int moved = Math.Min(step.Take, bytes);
            bytes -= moved;
            NormalTrb trb = new(step.Trb.Raw);
            (endpoint.Ring, endpoint.Done) = (step.At, step.Offset + moved);
            if (endpoint.Done < trb.Length && !isShort)
                return;
            bool endsHere = isShort && endpoint.Done < trb.Length;
            CompletionCode code = endsHere ? CompletionCode.ShortPacket : CompletionCode.Success;
            bool tells = trb.InterruptOnCompletion || (endsHere && trb.InterruptOnShort);
            if (tells)
                Tell(endpoint, step.At.Address, step.Trb, code, trb.Length - endpoint.Done);
            Advance(endpoint, trb.Chain);
            if (!endsHere)
                continue;
            if (trb.Chain)
                BeginSkip(endpoint, code, tells);
            return;
        }
    }

    /// <summary>Passes a TRB that moves nothing, an event data TRB or a no-op.</summary>
    public void Pass(XhciEndpoint endpoint, in Trb trb)
    {
        NormalTrb common = new(trb.Raw);
        if (common.InterruptOnCompletion)
            Tell(endpoint, endpoint.Ring.Address, trb, CompletionCode.Success, residual: 0);
        Advance(endpoint, common.Chain);
    }

    /// <summary>Passes a TRB that moves nothing; one that stands behind the last packet of a transfer descriptor ends the transfer.</summary>
    public void PassBehind(XhciEndpoint endpoint, in Trb trb)
    {
        bool hasMoved = endpoint.Moved != 0;
        Pass(endpoint, trb);
        if (HasEnded && hasMoved && endpoint.TransferType != TransferType.Control)
            Transactor.End(endpoint, TransferOutcome.Completed);
    }

    /// <summary>Passes over what is left of a transfer descriptor, a bounded number of TRBs at a time.</summary>
    /// <returns>Ready once it is over; otherwise what was met, or none where there is more to pass over.</returns>
    public RingOutcome Skip(XhciEndpoint endpoint)
    {
        for (int passed = 0; passed < StepsMax; passed++)
        {
            RingOutcome outcome = Look(endpoint, out Trb trb);
            if (outcome != RingOutcome.Ready)
                return outcome;
            NormalTrb common = new(trb.Raw);
            if (trb.Type == TrbType.EventData)
                SkipEventData(endpoint, trb);
            else if (!endpoint.IsTold && CarriesData(trb.Type) && (common.InterruptOnCompletion || common.InterruptOnShort))
                TellOnce(endpoint, trb, common.Length);
            Advance(endpoint, common.Chain);
            if (!common.Chain)
                return RingOutcome.Ready;
        }

        return RingOutcome.None;
    }

    /// <summary>What is left of the transfer descriptor behind the current TRB is passed over.</summary>
    /// <param name="endpoint">Whose.</param>
    /// <param name="code">Why.</param>
    /// <param name="isTold">Whether software knows.</param>
    public static void BeginSkip(XhciEndpoint endpoint, CompletionCode code, bool isTold) =>
        (endpoint.IsSkipping, endpoint.SkipCode, endpoint.IsTold) = (true, code, isTold);

    /// <summary>An event about the TRB that an endpoint is at.</summary>
    /// <param name="endpoint">Whose.</param>
    /// <param name="trb">The TRB.</param>
    /// <param name="code">How it ended.</param>
    public void TellFailure(XhciEndpoint endpoint, in Trb trb, CompletionCode code)
    {
        int residual = CarriesData(trb.Type) ? Math.Max(0, new NormalTrb(trb.Raw).Length - endpoint.Done) : 0;
        TransferEvent failure = EventOf(endpoint, code) with { Pointer = endpoint.Ring.Address, Residual = residual };
        events.Add(new NormalTrb(trb.Raw).Interrupter, new(failure.Raw));
    }

    /// <summary>The current TRB is passed.</summary>
    /// <param name="endpoint">Whose.</param>
    /// <param name="chain">Whether its transfer descriptor goes on.</param>
    public void Advance(XhciEndpoint endpoint, bool chain)
    {
        (endpoint.Ring, endpoint.Done, HasEnded) = (endpoint.Ring.Next, 0, !chain);
        if (chain)
            return;
        (endpoint.Moved, endpoint.IsSkipping, endpoint.IsTold, endpoint.IsInFlight) = (0, false, false, false);

        // What is counted for event data belongs to one transfer: that of a control endpoint has several stages.
        if (endpoint.TransferType != TransferType.Control)
            _ = endpoint.TakeEventLength();
    }

    /// <summary>Whether a TRB has a buffer.</summary>
    public static bool CarriesData(TrbType type) => type is TrbType.Normal or TrbType.Data or TrbType.Isochronous;

    /// <summary>An event of an endpoint.</summary>
    public static TransferEvent EventOf(XhciEndpoint endpoint, CompletionCode code) => new()
    {
        Type = TrbType.TransferEvent,
        Code = code,
        Endpoint = endpoint.Index,
        Slot = (byte)endpoint.Slot.Id,
    };

    private void SkipEventData(XhciEndpoint endpoint, in Trb trb)
    {
        // Only the first one counts, unless the controller looks at all of them.
        bool counts = endpoint.EventLength != 0 || !endpoint.IsTold || options.ParseAllEventData;
        if (!counts || !new EventDataTrb(trb.Raw).InterruptOnCompletion)
            return;
        Tell(endpoint, endpoint.Ring.Address, trb, endpoint.SkipCode, residual: 0);
        endpoint.IsTold = true;
    }

    private void TellOnce(XhciEndpoint endpoint, in Trb trb, int residual)
    {
        Tell(endpoint, endpoint.Ring.Address, trb, endpoint.SkipCode, Math.Min(residual, LengthMax));
        endpoint.IsTold = true;
    }

    private bool TryTake(ref Step step, XhciEndpoint endpoint, bool isIn)
    {
        if (step.Trb.Type is TrbType.EventData or TrbType.NoOp)
            return _count != 0;
        NormalTrb trb = new(step.Trb.Raw);
        bool belongs = CarriesData(step.Trb.Type) && (step.Trb.Type == TrbType.Normal || _count == 0);
        if (!belongs || trb.Length > LengthMax || (trb.Immediate && (isIn || trb.Length > ImmediateMax)))
            return false;

        // A length that fell since the last packet leaves nothing.
        step.Offset = Math.Min(step.Offset, trb.Length);
        step.Take = Math.Min(trb.Length - step.Offset, endpoint.MaxPacket - Bytes);
        return true;
    }

    private void TellLink(XhciEndpoint endpoint, PassedLink link)
    {
        if (link.Address == 0)
            return;
        TransferEvent passed = EventOf(endpoint, CompletionCode.Success) with { Pointer = link.Address };
        events.Add(link.Interrupter, new(passed.Raw));
    }

    private void Tell(XhciEndpoint endpoint, ulong address, in Trb trb, CompletionCode code, int residual)
    {
        TransferEvent told = EventOf(endpoint, code);
        if (trb.Type == TrbType.EventData)
            told = told with { EventData = true, Pointer = new EventDataTrb(trb.Raw).Data, Residual = endpoint.TakeEventLength() };
        else
            told = told with { Pointer = address, Residual = residual };
        NormalTrb common = new(trb.Raw);
        events.Add(common.Interrupter, new(told.Raw), common.BlockInterrupt);
    }

    private static void CopyImmediate(ulong value, int offset, Span<byte> part)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes.Slice(offset, part.Length).CopyTo(part);
    }

    private struct Step
    {
        public RingCursor At;
        public Trb Trb;
        public PassedLink Link;
        public int Offset;
        public int Take;
    }
}
