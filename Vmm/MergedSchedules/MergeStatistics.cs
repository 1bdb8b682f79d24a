namespace Dma.Vmm;

/// <summary>What the merging of the schedules of one VM did, and what it cost.</summary>
public sealed class MergeStatistics
{
    /// <summary>Reads of virtual registers; each is an exit.</summary>
    public ulong RegisterReads { get; internal set; }

    /// <summary>Writes of virtual registers; each is an exit.</summary>
    public ulong RegisterWrites { get; internal set; }

    /// <summary>Stores into protected pages; each is a fault.</summary>
    public ulong ProtectedStores { get; internal set; }

    /// <summary>How often its schedules were looked at.</summary>
    public ulong Scans { get; internal set; }

    /// <summary>Structures that were read for that: queue heads, descriptors, frame lists.</summary>
    public ulong NodesVisited { get; internal set; }

    /// <summary>Bytes of structures that the VMM read from memory of the VM, or wrote there: it copies no others.</summary>
    public ulong StructureBytes { get; internal set; }

    /// <summary>Transfers of queues that were copied to be executed.</summary>
    public ulong TransfersCopied { get; internal set; }

    /// <summary>Isochronous descriptors that were copied to be executed, each for one frame.</summary>
    public ulong FramesCopied { get; internal set; }

    /// <summary>Descriptors whose result was written back.</summary>
    public ulong WrittenBack { get; internal set; }

    /// <summary>Periodic work that was left out, for it had no place in the bus time of its microframes.</summary>
    public ulong Unadmitted { get; internal set; }

    /// <summary>Interrupts that the VM got of its virtual controller.</summary>
    public ulong Interrupts { get; internal set; }

    /// <summary>How often its virtual controller met an error of the host system.</summary>
    public ulong HostSystemErrors { get; internal set; }
}
