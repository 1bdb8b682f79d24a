using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One interrupter: its event ring, and when it interrupts (xHCI, interrupters).</summary>
/// <remarks>
/// An event makes an interrupt wanted. It becomes pending once the handler is not busy (EHB), the ring holds something and
/// the interval of moderation is over. Where messages are on, the message goes out then, and IP falls by itself.
/// </remarks>
internal sealed class Interrupter(XhciRegisters registers, int index, EventRing ring, XhciStatistics statistics)
{
    /// <summary>When nothing is due.</summary>
    public const ulong Never = ulong.MaxValue;

    private const ulong ModerationUnitNs = 250;

    private readonly int _at = XhciRegisters.InterrupterAt(index);
    private ulong _quietUntilNs;

    /// <summary>Its event ring.</summary>
    public EventRing Ring => ring;

    /// <summary>Its number, which is that of its message.</summary>
    public int Index => index;

    /// <summary>Whether an event came that wants to interrupt, and has not yet.</summary>
    public bool IsWanted { get; private set; }

    /// <summary>What no write brings back: whether an interrupt is wanted, IP and EHB, as bits 0 to 2.</summary>
    public uint Latched
    {
        get => (IsWanted ? 1u : 0) | (Management.Pending ? 2u : 0) | (Dequeue.Busy ? 4u : 0);
        set
        {
            IsWanted = (value & 1) != 0;
            Management = Management with { Pending = (value & 2) != 0 };
            Dequeue = Dequeue with { Busy = (value & 4) != 0 };
        }
    }

    /// <summary>Whether its line is asserted, as far as the interrupter itself decides.</summary>
    public bool IsAsserted => Management is { Pending: true, Enable: true };

    private InterrupterManagement Management
    {
        get => new(new((uint)registers.File[_at + XhciRuntimeOffsets.Management]));
        set => registers.File[_at + XhciRuntimeOffsets.Management] = value.Raw.Value;
    }

    private EventRingDequeue Dequeue
    {
        get => new(new(registers.File[_at + XhciRuntimeOffsets.Dequeue]));
        set => registers.File[_at + XhciRuntimeOffsets.Dequeue] = value.Raw.Value;
    }

    private ulong IntervalNs =>
        (ulong)new InterrupterModeration(new((uint)registers.File[_at + XhciRuntimeOffsets.Moderation])).Interval * ModerationUnitNs;

    private bool IsReady => IsWanted && !Management.Pending && !Dequeue.Busy && ring.HasEvents;

    /// <summary>A reset.</summary>
    public void Reset()
    {
        ring.Reset();
        (IsWanted, _quietUntilNs) = (false, 0);
    }

    /// <summary>An event comes.</summary>
    /// <param name="trb">The event; its cycle bit is set here.</param>
    /// <param name="blocksInterrupt">BEI: it does not interrupt.</param>
    public void Add(Trb trb, bool blocksInterrupt = false) => IsWanted |= ring.Add(trb) && !blocksInterrupt;

    /// <summary>A register was written.</summary>
    /// <param name="offset">Which one, from the first of this interrupter on.</param>
    /// <param name="before">Its value before.</param>
    /// <param name="enabledBytes">Which bytes were written.</param>
    /// <param name="nowNs">The time.</param>
    public void Written(int offset, ulong before, ulong enabledBytes, ulong nowNs)
    {
        switch (offset)
        {
            case XhciRuntimeOffsets.Management when new InterrupterManagement(new((uint)before)).Pending && !Management.Pending:
                _quietUntilNs = Math.Max(_quietUntilNs, nowNs + IntervalNs);
                break;
            case XhciRuntimeOffsets.Moderation:
                InterrupterModeration written = new(new((uint)registers.File[_at + XhciRuntimeOffsets.Moderation]));
                _quietUntilNs = nowNs + ((ulong)written.Counter * ModerationUnitNs);
                break;
            case XhciRuntimeOffsets.TableBase when enabledBytes >> 32 != 0:
                ContextPointer table = new(new(registers.File[_at + XhciRuntimeOffsets.TableBase]));
                ring.Begin(table.Address, (int)registers.File[_at + XhciRuntimeOffsets.TableSize]);
                break;
            case XhciRuntimeOffsets.Dequeue:
                // With an empty ring nothing is wanted any more; what was held comes now.
                IsWanted = ring.Advance(Dequeue.Pointer) || (IsWanted && ring.HasEvents);
                break;
            default:
                break;
        }
    }

    /// <summary>Brings the counter of moderation into its register.</summary>
    public void Sync(ulong nowNs)
    {
        ulong left = _quietUntilNs > nowNs ? (_quietUntilNs - nowNs + ModerationUnitNs - 1) / ModerationUnitNs : 0;
        InterrupterModeration moderation = new(new((uint)registers.File[_at + XhciRuntimeOffsets.Moderation]));
        registers.File[_at + XhciRuntimeOffsets.Moderation] = (moderation with { Counter = (int)Math.Min(left, ushort.MaxValue) }).Raw.Value;
    }

    /// <summary>Makes a wanted interrupt pending if its time has come.</summary>
    /// <returns>Whether it became pending.</returns>
    public bool Settle(ulong nowNs)
    {
        if (!IsReady || nowNs < _quietUntilNs)
            return false;
        IsWanted = false;
        Management = Management with { Pending = true };
        Dequeue = Dequeue with { Busy = true };
        _quietUntilNs = nowNs + IntervalNs;
        statistics.Interrupts++;
        return true;
    }

    /// <summary>Its message went out: IP falls, and the interval of moderation begins.</summary>
    public void Sent(ulong nowNs)
    {
        Management = Management with { Pending = false };
        _quietUntilNs = nowNs + IntervalNs;
    }

    /// <summary>When a wanted interrupt becomes pending, unless something else happens.</summary>
    public ulong DueNs(ulong nowNs) => IsReady ? Math.Max(_quietUntilNs, nowNs) : Never;
}
