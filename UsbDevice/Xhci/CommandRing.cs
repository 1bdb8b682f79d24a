using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The command ring: one command after another, each with one completion event, in order (xHCI, command ring management).</summary>
internal sealed class CommandRing(XhciRegisters registers, RingReader rings, CommandExecutor executor, Interrupters events, XhciOptions options, XhciStatistics statistics)
{
    /// <summary>When nothing is due.</summary>
    public const ulong Never = ulong.MaxValue;

    // A command that waits for a device, or for room for its event, is looked at again so much later.
    private const ulong RetryNs = WireTime.MicroframeNs;

    private RingCursor _cursor;
    private Trb _current;
    private bool _hasCurrent;
    private bool _isStopping;
    private bool _isAborting;
    private bool _isGiven;

    // What the ring was about when it halted, and what it was about when the state was saved that came back.
    private uint _atHalt;
    private bool _hadWork;

    /// <summary>When it wants <see cref="Tick"/> to be called, while the controller runs.</summary>
    public ulong DueNs { get; private set; } = Never;

    private CommandRingControl Control
    {
        get => new(new(registers.File[XhciRegisters.CommandRing]));
        set => registers.File[XhciRegisters.CommandRing] = value.Raw.Value;
    }

    /// <summary>A reset.</summary>
    public void Reset()
    {
        (_cursor, _hasCurrent, _isStopping, _isAborting, DueNs) = (default, false, false, false, Never);
        (_isGiven, _hadWork, _atHalt) = (false, false, 0);
        executor.Reset();
    }

    /// <summary>Where the ring is, and whether anything waits there, in one number: what CRCR does not show.</summary>
    /// <remarks>
    /// Bits 63:4 are the place, bit 0 its cycle bit; of the time when the controller halted, bit 1 tells that the ring ran, bit 2 that there was work, bit 3
    /// that it was to stop. A command that was under way begins anew. Software that gave a ring since the reset has decided otherwise.
    /// </remarks>
    public ulong Hidden
    {
        get => (_cursor.Address & ~0xFul) | (_cursor.Cycle ? 1ul : 0) | _atHalt | (_hadWork ? 4ul : 0);
        set
        {
            if (_isGiven)
                return;
            _cursor = new(value & ~0xFul, (value & 1) != 0);
            (Control, _hadWork, _isStopping) = (Control with { Running = (value & 2) != 0 }, (value & 4) != 0, (value & 8) != 0);
            _atHalt = (uint)value & 0xE;
        }
    }

    /// <summary>The controller runs: what waited when the state was saved goes on.</summary>
    public void Resume(ulong nowNs)
    {
        if (_hadWork && DueNs == Never)
            DueNs = nowNs + options.CommandNs;
        (_hadWork, _atHalt) = (false, 0);
    }

    /// <summary>The controller halts: the ring stops without a word.</summary>
    public void Halt()
    {
        if (_hasCurrent)
            executor.Reset();
        _atHalt = (Control.Running ? 2u : 0) | (DueNs != Never ? 4u : 0) | (_isStopping ? 8u : 0);
        (_hasCurrent, _isStopping, _isAborting, DueNs) = (false, false, false, Never);
        Control = Control with { Running = false };
    }

    /// <summary>CRCR was written.</summary>
    public void Written(in RegisterWrite write, ulong nowNs)
    {
        CommandRingControl asked = new(new(write.After));
        if (new CommandRingControl(new(write.Before)).Running)
        {
            // The pointer is the controller's while the ring runs; only the wish to stop is heard.
            Control = new CommandRingControl(new(write.Before)) with { Stop = false, Abort = false };
            if (!asked.Stop && !asked.Abort)
                return;
            (_isStopping, _isAborting) = (true, _isAborting || asked.Abort);
            DueNs = _hasCurrent && !asked.Abort ? DueNs : nowNs;
            return;
        }

        Control = asked with { Stop = false, Abort = false };
        (_cursor, _isGiven, _hadWork, _atHalt) = (new(asked.Pointer, asked.CycleState), true, false, 0);
    }

    /// <summary>The doorbell of the command ring rang.</summary>
    public void Ring(ulong nowNs)
    {
        Control = Control with { Running = true };
        if (DueNs == Never)
            DueNs = nowNs + options.CommandNs;
    }

    /// <summary>Time has come to <see cref="DueNs"/>.</summary>
    public void Tick(ulong nowNs, ulong microframe)
    {
        DueNs = nowNs + RetryNs;
        if (!events.HasRoom(0))
            return;
        if (_isStopping && (!_hasCurrent || _isAborting))
        {
            Stop();
            return;
        }

        if (!_hasCurrent)
        {
            RingOutcome outcome = rings.Read(ref _cursor, out _current, out PassedLink link);
            if (link.Address != 0)
                Complete(link.Address, new(CompletionCode.Success));
            if (outcome != RingOutcome.Ready)
            {
                DueNs = outcome == RingOutcome.Endless ? nowNs + RetryNs : Never;
                return;
            }
        }

        CommandResult result = executor.Execute(_current, microframe);
        _hasCurrent = result.Code == CompletionCode.None;
        if (_hasCurrent)
            return;
        statistics.Commands++;
        Complete(_cursor.Address, result);
        _cursor = _cursor.Next;
        DueNs = nowNs + options.CommandNs;
    }

    private void Stop()
    {
        if (_hasCurrent)
        {
            executor.Reset();
            Complete(_cursor.Address, new(CompletionCode.CommandAborted));
            _cursor = _cursor.Next;
        }

        Complete(_cursor.Address, new(CompletionCode.CommandRingStopped));
        (_hasCurrent, _isStopping, _isAborting, DueNs) = (false, false, false, Never);
        Control = Control with { Running = false };
    }

    private void Complete(ulong pointer, CommandResult result)
    {
        CommandCompletionEvent done = new()
        {
            Type = TrbType.CommandCompletion,
            Pointer = pointer & ~0xFul,
            Code = result.Code,
            Slot = (byte)result.Slot,
        };
        events.Add(0, new(done.Raw));
    }
}
