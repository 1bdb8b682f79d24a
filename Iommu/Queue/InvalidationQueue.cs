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
/// Everything between head and tail is carried out at once, in order, so that a fence has nothing left to wait
/// for, unless a device leaves an invalidation of its TLB unanswered. An error leaves the head where it is and stops
/// the queue until software clears FSTS.IQE; then the descriptor is read again. A device that lets the time pass
/// stops it until software clears FSTS.ITE; then it goes on behind what was fetched meanwhile.
/// </remarks>
internal sealed class InvalidationQueue(
    RegisterFile registers, PhysicalMemory memory, HardwareProfile profile, FaultLog faults, DescriptorExecutor executor)
{
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

    /// <summary>QIE fell: all that was queued is done, for it is done when it is queued.</summary>
    public void Disable()
    {
        IsEnabled = false;
        Head = 0;
    }

    private ulong Head
    {
        get => registers[RegisterOffsets.InvalidationQueueHead];
        set => registers[RegisterOffsets.InvalidationQueueHead] = value;
    }

    /// <summary>Carries out what is between head and tail, if the queue is on and nothing stops it.</summary>
    public void Run()
    {
        FaultStatus status = new(new(registers[RegisterOffsets.FaultStatus]));
        if (!IsEnabled || status.InvalidationQueueError || status.InvalidationTimeout)
            return;
        InvalidationQueueAddress queue = new(new(registers[RegisterOffsets.InvalidationQueueAddress]));
        ulong tail = registers[RegisterOffsets.InvalidationQueueTail];
        ulong width = queue.WideDescriptors ? 32u : 16u;
        ulong size = 4096ul << queue.SizeCode;
        InvalidationQueueError error = CheckRegisters(queue, tail, width, size);

        // The head moves by one descriptor in a ring that holds the tail: it gets there.
        while (error == InvalidationQueueError.None && Head != tail && !executor.IsFenced)
        {
            error = ReadAndExecute(new(queue.Table.Value + Head), queue.WideDescriptors);
            if (error == InvalidationQueueError.None)
                Head = Head + width == size ? 0 : Head + width;
        }

        if (error != InvalidationQueueError.None)
            Stop(error);
        executor.TimeOut();
    }

    private InvalidationQueueError CheckRegisters(InvalidationQueueAddress queue, ulong tail, ulong width, ulong size)
    {
        ExtendedCapabilityRegister has = profile.ExtendedCapabilities;
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
            if (!memory.TryRead(at, out raw))
                return InvalidationQueueError.FetchError;
        }
        else
        {
            if (!memory.TryRead(at, out Bits128 narrow))
                return InvalidationQueueError.FetchError;
            raw = new(narrow.Word0, narrow.Word1, 0, 0);
        }

        return executor.Execute(raw, wide);
    }

    private void Stop(InvalidationQueueError error)
    {
        InvalidationQueueErrorRecord record = new(new(registers[RegisterOffsets.InvalidationQueueErrorRecord]));
        registers[RegisterOffsets.InvalidationQueueErrorRecord] = (record with { Error = error }).Raw.Value;
        faults.RaiseError(new() { InvalidationQueueError = true });
    }
}
