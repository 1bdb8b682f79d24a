namespace Dma.Iommu;

/// <summary>What plain requests of one stream meet in scalable mode above the paging structures, worked out once.</summary>
/// <remarks>
/// Plain requests carry nothing: no PASID, no privilege, no address type. What they meet stays the same as long as
/// context cache and PASID cache hold what it was worked out from; the stream gives the route up when that ends.
/// </remarks>
internal sealed class ScalableRoute
{
    private PasidInfo _info;
    private Demand _reads;
    private Demand _writes;

    /// <summary>What the stream is in the address space that the PASID entry gives it.</summary>
    public Tenant Tenant { get; private set; } = null!;

    /// <summary>The PASID entry that counts for them.</summary>
    public ref readonly PasidInfo Info => ref _info;

    /// <summary>Begins to stand for what was worked out now.</summary>
    /// <param name="tenant">What the stream is in its address space.</param>
    /// <param name="info">The PASID entry, without fault.</param>
    /// <param name="privileged">Whether the context gives privilege to requests without PASID.</param>
    public void Set(Tenant tenant, in PasidInfo info, bool privileged)
    {
        Tenant = tenant;
        _info = info;
        _reads = Demand.Of(Access.Wanting(Translation.Read), info, privileged, executes: false);
        _writes = Demand.Of(Access.Wanting(Translation.Write), info, privileged, executes: false);
    }

    /// <summary>What a read or a write needs of its translation.</summary>
    /// <param name="wanted">The right that it needs, which also says whether it writes.</param>
    public ref readonly Demand DemandOf(ulong wanted) => ref wanted == Translation.Write ? ref _writes : ref _reads;

    /// <summary>Which of reads and writes a translation lets pass as it is.</summary>
    /// <returns>The rights, in bits 1:0.</returns>
    public ulong RightsOf(Translation translation) =>
        (_reads.IsGrantedBy(translation) ? Translation.Read : 0) | (_writes.IsGrantedBy(translation) ? Translation.Write : 0);
}
