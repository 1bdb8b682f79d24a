using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The ring of descriptors in memory through which software invalidates (VT-d, queued invalidation).</summary>
/// <remarks>
/// <code>
///   IQA                IQH                     IQT              IQA + size
///    |                  |                       |                  |
///    v                  v                       v                  v
///    +------------------+-----------------------+------------------+
///    |       done       | hardware reads next   |    free          |
///    +------------------+-----------------------+------------------+
/// </code>
/// Everything between head and tail is carried out at once, in order, but for what devices take their time over:
/// invalidations of their TLBs. The queue runs on meanwhile; waits behind such an invalidation complete when it does, and
/// a fence holds back what follows. An error leaves the head where it is and stops the queue until software clears
/// FSTS.IQE; then the descriptor is read again. A device that lets the time pass aborts all waits and stops the queue until
/// software clears FSTS.ITE; then it goes on behind what was fetched meanwhile.
/// </remarks>
internal sealed class InvalidationQueue
{
    private readonly RegisterFile _registers;
    private readonly PhysicalMemory _memory;
    private readonly HardwareProfile _profile;
    private readonly FaultLog _faults;
    private readonly DescriptorExecutor _executor;
    private readonly DeviceTlbs _devices;
    private bool _isRunning;
    private bool _isDraining;

    public InvalidationQueue(
        RegisterFile registers, PhysicalMemory memory, HardwareProfile profile, FaultLog faults, DeviceTlbs devices, DescriptorExecutor executor)
    {
        (_registers, _memory, _profile, _faults, _devices, _executor) = (registers, memory, profile, faults, devices, executor);
        devices.Settled = Settle;
    }

    /// <summary>Whether software switched the queue on: QIES.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>The mode of translation, as SRTP took it.</summary>
    public TranslationTableMode Mode { get; set; }

    /// <summary>QIE rose: the queue begins at its start.</summary>
    public void Enable()
    {
        IsEnabled = true;
        Head = 0;
        Run();
    }

    /// <summary>What is done when the queue was switched off and nothing of it is under way any more.</summary>
    public Action? Disabled { get; set; }

    /// <summary>QIE fell: nothing more is fetched, and when devices have completed what they were told, the queue is off.</summary>
    public void Disable()
    {
        _isDraining = true;
        if (!_executor.AnyOutstanding)
            EndDrain();
    }

    /// <summary>The queue is off, and whatever was under way is forgotten.</summary>
    public void Reset()
    {
        _executor.Abort();
        _devices.Reset();
        (IsEnabled, _isDraining, Head) = (false, false, 0);
    }

    private ulong Head
    {
        get => _registers[RegisterOffsets.InvalidationQueueHead];
        set => _registers[RegisterOffsets.InvalidationQueueHead] = value;
    }

    /// <summary>Carries out what is between head and tail, if the queue is on and nothing stops it.</summary>
    public void Run()
    {
        // What a device does when it is told of an invalidation may come back here.
        if (_isRunning)
            return;
        FaultStatus status = new(new(_registers[RegisterOffsets.FaultStatus]));
        if (!IsEnabled || _isDraining || status.InvalidationQueueError || status.InvalidationTimeout)
            return;
        InvalidationQueueAddress queue = new(new(_registers[RegisterOffsets.InvalidationQueueAddress]));
        ulong tail = _registers[RegisterOffsets.InvalidationQueueTail];
        ulong width = queue.WideDescriptors ? 32u : 16u;
        ulong size = 4096ul << queue.SizeCode;
        InvalidationQueueError error = CheckRegisters(queue, tail, width, size);

        // The head moves by one descriptor in a ring that holds the tail: it gets there.
        _isRunning = true;
        while (error == InvalidationQueueError.None && Head != tail && !_executor.IsStalled)
        {
            error = ReadAndExecute(new(queue.Table.Value + Head), queue.WideDescriptors);
            if (error == InvalidationQueueError.None && !_executor.IsHeld)
                Head = Head + width == size ? 0 : Head + width;
        }

        _isRunning = false;
        if (error != InvalidationQueueError.None)
            Stop(error);
        _devices.HaveNothingElseToDo();
    }

    /// <summary>Somebody begins to follow what is invalidated from here on: waits that come later do not complete before.</summary>
    public ulong BeginFollowing() => _executor.Followed.Begin();

    /// <summary>All up to a number that <see cref="BeginFollowing"/> gave is followed.</summary>
    public void EndFollowing(ulong number)
    {
        _executor.Followed.End(number);
        Settle(completed: true);
    }

    // An invalidation was completed, or its time is up.
    private void Settle(bool completed)
    {
        if (completed)
            _executor.Settle();
        else
            _executor.Abort();
        if (_isDraining && !_executor.AnyOutstanding)
            EndDrain();
        else
            Run();
    }

    private void EndDrain()
    {
        (IsEnabled, _isDraining, Head) = (false, false, 0);
        Disabled?.Invoke();
    }

    private InvalidationQueueError CheckRegisters(InvalidationQueueAddress queue, ulong tail, ulong width, ulong size)
    {
        ExtendedCapabilityRegister has = _profile.ExtendedCapabilities;
        if (queue.WideDescriptors && !has.ScalableMode && !has.AbortDma)
            return InvalidationQueueError.InvalidWidth;
        bool known = Mode switch
        {
            TranslationTableMode.Legacy => true,
            TranslationTableMode.Scalable => has.ScalableMode,
            TranslationTableMode.Abort => has.AbortDma,
            _ => false,
        };
        if (!known)
            return InvalidationQueueError.InvalidMode;

        // Scalable mode has commands that narrow descriptors have no room for.
        if (Mode == TranslationTableMode.Scalable && !queue.WideDescriptors)
            return InvalidationQueueError.InvalidWidth;
        if (tail % width != 0)
            return InvalidationQueueError.MisalignedTail;

        // The head is out of the ring only where software made the ring smaller under a running queue.
        return tail >= size || Head >= size || Head % width != 0 ? InvalidationQueueError.InvalidTail : InvalidationQueueError.None;
    }

    private InvalidationQueueError ReadAndExecute(PhysicalAddress at, bool wide)
    {
        Bits256 raw;
        if (wide)
        {
            if (!_memory.TryRead(at, out raw))
                return InvalidationQueueError.FetchError;
        }
        else
        {
            if (!_memory.TryRead(at, out Bits128 narrow))
                return InvalidationQueueError.FetchError;
            raw = new(narrow.Word0, narrow.Word1, 0, 0);
        }

        return _executor.Execute(raw, wide);
    }

    private void Stop(InvalidationQueueError error)
    {
        InvalidationQueueErrorRecord record = new(new(_registers[RegisterOffsets.InvalidationQueueErrorRecord]));
        _registers[RegisterOffsets.InvalidationQueueErrorRecord] = (record with { Error = error }).Raw.Value;
        _faults.RaiseError(new() { InvalidationQueueError = true });
    }
}
