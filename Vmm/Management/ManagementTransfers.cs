using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The copies that a management core makes, on the account of the processor that it runs on, and when their time is over.</summary>
/// <remarks>What ends while a request is being done is told when the time that it took has passed.</remarks>
/// <param name="processor">The processor.</param>
internal sealed class ManagementTransfers(Processor processor)
{
    private readonly Queue<(TakenRequest Request, ManagementAnswer Answer)> _ended = new();

    /// <summary>Whether a request is being done.</summary>
    public bool IsWorking { get; private set; }

    /// <summary>Told of each request that finished; null for nobody.</summary>
    public Action<ServedRequest>? Watcher { get; set; }

    public ulong NowNs => processor.Loop.NowNs;

    /// <summary>Charges a copy of slots, which is no payload.</summary>
    public void CopiedSlot(int bytes)
    {
        processor.Charge(Cost.Copy);
        processor.Charge(Cost.CopiedByte, (ulong)bytes);
    }

    /// <summary>Charges a copy into or out of a guest's buffer.</summary>
    public void Copied(ManagementPort port, int bytes)
    {
        if (bytes == 0)
            return;
        CopiedSlot(bytes);
        port.Counts.BytesCopied += (ulong)bytes;
    }

    /// <summary>A request is being done from here on.</summary>
    public void Begin() => IsWorking = true;

    /// <summary>Its time is over: all that ended meanwhile is told.</summary>
    public void End()
    {
        IsWorking = false;
        while (_ended.TryDequeue(out (TakenRequest Request, ManagementAnswer Answer) next))
            next.Request.Complete(next.Answer);
    }

    /// <summary>A request ended: now, or when the time of the one that is being done is over.</summary>
    public void Tell(TakenRequest request, in ManagementAnswer answer)
    {
        if (IsWorking)
            _ended.Enqueue((request, answer));
        else
            request.Complete(answer);
    }
}
