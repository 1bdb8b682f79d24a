namespace Dma.Iommu;

/// <summary>One stream of requests in one address space: what cached translations are tagged with.</summary>
/// <remarks>
/// The number of a tenant stands in the tag of all that is cached for it. A new number makes all of that
/// unreachable, however much it is; its places in the cache are reused in time.
/// </remarks>
/// <param name="stream">The stream.</param>
/// <param name="space">The address space.</param>
internal sealed class Tenant(RequestStream stream, AddressSpace space)
{
    public RequestStream Stream => stream;

    public AddressSpace Space => space;

    /// <summary>The tag of what is cached now, in the bits that <see cref="IotlbTag"/> gives it; 0 until there is one.</summary>
    public ulong Number { get; set; }

    /// <summary>Gives the number up: what is cached under it is out of reach.</summary>
    public void Leave()
    {
        Number = 0;
        if (stream.Tenant == this)
            stream.Release();
    }

    /// <summary>Lets equal addresses of different address spaces fall into different sets.</summary>
    public ulong Salt { get; } = space.Salt;
}
