using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What translations are tagged with, and how everything cached under one tag is dropped at once.</summary>
/// <remarks>
/// The second stage of a domain is one address space, whoever uses it; each PASID has others of its own. Cached translations carry the stamp of their address space, not its name. A new stamp makes all of them
/// unreachable, however many they are; their places in the cache are reused in time.
/// </remarks>
/// <param name="domain">The domain.</param>
/// <param name="kind">How its translations are made.</param>
/// <param name="pasid">The PASID; 0 for the second stage, which is the same for all.</param>
/// <param name="stamp">A stamp that was never used.</param>
internal sealed class AddressSpace(DomainId domain, TranslationKind kind, Pasid pasid, ulong stamp)
{
    private readonly List<RequestStream> _streams = [];

    public DomainId Domain => domain;

    public TranslationKind Kind => kind;

    public Pasid Pasid => pasid;

    /// <summary>The tag of what is cached now; never used for another address space, nor again for this one.</summary>
    public ulong Stamp { get; private set; } = stamp;

    /// <summary>Lets equal addresses of different domains fall into different sets.</summary>
    public ulong Salt { get; } = (domain.Value * 0x9E37ul) + (pasid.Value * 0xC2B3ul);

    /// <summary>Makes all that is cached unreachable.</summary>
    /// <param name="stamp">A stamp that was never used.</param>
    public void Drop(ulong stamp)
    {
        Stamp = stamp;
        foreach (RequestStream stream in _streams)
            stream.Front.DropAll();
    }

    /// <summary>A stream of requests begins to use the address space.</summary>
    public void Add(RequestStream stream) => _streams.Add(stream);

    /// <summary>A stream of requests no longer uses it.</summary>
    public void Remove(RequestStream stream) => _streams.Remove(stream);
}
