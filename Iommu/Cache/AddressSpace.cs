using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What translations are tagged with: a domain, and how everything cached for it is dropped at once.</summary>
/// <remarks>
/// Cached translations carry the stamp of their address space, not its name. A new stamp makes all of them
/// unreachable, however many they are; their places in the cache are reused in time.
/// </remarks>
internal sealed class AddressSpace(DomainId domain, ulong stamp)
{
    private readonly List<RequestStream> _streams = [];

    public DomainId Domain => domain;

    /// <summary>The tag of what is cached now; never used for another address space, nor again for this one.</summary>
    public ulong Stamp { get; private set; } = stamp;

    /// <summary>Lets equal addresses of different domains fall into different sets.</summary>
    public ulong Salt { get; } = domain.Value * 0x9E37ul;

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
