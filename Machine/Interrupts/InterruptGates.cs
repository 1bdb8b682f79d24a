namespace Dma.Machine;

/// <summary>How one processor takes the interrupts of its local APIC: through a gate for each vector, which raises a signal.</summary>
/// <remarks>
/// Software waits for the signal of a vector. As long as none has turned the local APIC on, the gate ends the interrupt at
/// once, as the first lines of a handler that only wakes a task do; software that has turned it on ends it itself.
/// Offer and acceptance are one step here, so no interrupt is withdrawn in between and none is spurious.
/// </remarks>
public sealed class InterruptGates : ILocalApicHost
{
    private readonly EventLoop _loop;
    private readonly InterruptRouter _router;
    private readonly Signal?[] _signals = new Signal?[256];
    private Action _end;
    private bool _isTaking;
    private bool _isOpen = true;
    private Signal? _nonMaskable;
    private bool _hasNonMaskable;

    internal InterruptGates(byte id, EventLoop loop, InterruptRouter router)
    {
        (_loop, _router) = (loop, router);
        Apic = new(id, loop, this);
        _end = Apic.End;
    }

    /// <summary>The local APIC.</summary>
    public LocalApic Apic { get; }

    /// <summary>How many interrupts were taken.</summary>
    public ulong Taken { get; private set; }

    /// <summary>A guest that the processor runs, which takes interrupts before the processor's own software; null for none.</summary>
    public IInterruptIntercept? Intercept { get; set; }

    /// <summary>What is told when an interrupt is due while the gates are closed.</summary>
    public Action? WaitingOutside { get; set; }

    /// <summary>Whether the processor takes interrupts now; what comes meanwhile waits in the local APIC.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set
        {
            _isOpen = value;
            Offer();
            if (value && _hasNonMaskable)
                _ = NonMaskable();
        }
    }

    /// <summary>The signal that a vector raises; the same one each time.</summary>
    /// <param name="vector">16 to 255.</param>
    public Signal Connect(byte vector)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vector, LocalApic.FirstVector);
        return _signals[vector] ??= new(_loop);
    }

    /// <summary>The signal that a non-maskable interrupt raises; the same one each time.</summary>
    public Signal ConnectNonMaskable() => _nonMaskable ??= new(_loop);

    /// <summary>Lets gates end interrupts in another way than by the local APIC itself, such as by a store that costs time.</summary>
    public void EndBy(Action end) => _end = end;

    /// <summary>An interrupt may be due.</summary>
    public void Offer()
    {
        // Ending an interrupt offers the next one: the loop takes it.
        if (_isTaking)
            return;
        _isTaking = true;
        while (_isOpen && Apic.TryTake(out byte vector))
            Take(vector);
        _isTaking = false;
        if (!_isOpen && Apic.IsDue)
            WaitingOutside?.Invoke();
    }

    /// <inheritdoc/>
    bool ILocalApicHost.Handles(byte vector) => _signals[vector] is not null;

    /// <inheritdoc/>
    bool ILocalApicHost.NonMaskable() => NonMaskable();

    /// <inheritdoc/>
    void ILocalApicHost.Send(InterruptCommand command) => _router.Send(this, command);

    /// <inheritdoc/>
    void ILocalApicHost.EndLevel(byte vector) => _router.EndLevel(vector);

    // One that comes while the gates are closed waits, and is one with those that come after it.
    internal bool NonMaskable()
    {
        if (_nonMaskable is not { } signal)
            return false;
        _hasNonMaskable = !_isOpen;
        if (_isOpen)
            signal.Raise();
        else
            WaitingOutside?.Invoke();
        return true;
    }

    private void Take(byte vector)
    {
        // Posted-interrupt processing ends the interrupt by itself, whoever drives the APIC.
        if (Intercept is { } guest && guest.TryTake(vector))
        {
            Apic.End();
            return;
        }

        Taken++;
        _signals[vector]?.Raise();
        if (!Apic.IsDriven)
            _end();
    }
}
