namespace Dma.Iommu;

/// <summary>All requests that are translated alike: those of one requester.</summary>
/// <remarks>
/// What the caches hold about the requester hangs here: its context, as long as the context cache keeps it, and
/// its front table. It is ready while a request needs nothing else to be looked up in the IOTLB and the tables.
/// </remarks>
internal sealed class RequestStream(RemappedPort port, int number)
{
    /// <summary>How many bits a number has; stamps of address spaces leave them free.</summary>
    public const int NumberBits = 24;

    private ContextInfo _context;

    /// <summary>The requester.</summary>
    public RemappedPort Port => port;

    /// <summary>What cached translations know it by.</summary>
    public int Number => number;

    /// <summary>The pages that it uses most.</summary>
    public FrontTable Front { get; } = new();

    /// <summary>Whether the context cache holds <see cref="Context"/>.</summary>
    public bool IsContextCached { get; private set; }

    /// <summary>What root and context entry said when they were read.</summary>
    public ref readonly ContextInfo Context => ref _context;

    /// <summary>The address space of untranslated requests; null where the stream is not ready.</summary>
    public AddressSpace? Space { get; private set; }

    /// <summary>The first address that may not be translated; 0 while the stream is not ready.</summary>
    public ulong AddressEnd { get; private set; }

    /// <summary>Whether untranslated requests are translated through <see cref="Space"/> with <see cref="Context"/>.</summary>
    public bool IsReady => Space is not null;

    /// <summary>The context cache takes the context in.</summary>
    public void Cache(in ContextInfo context)
    {
        _context = context;
        IsContextCached = true;
    }

    /// <summary>The context cache gives the context up.</summary>
    public void Uncache()
    {
        Release();
        IsContextCached = false;
    }

    /// <summary>From now on requests use an address space.</summary>
    public void Bind(AddressSpace space, ulong lastAddress)
    {
        Release();
        Space = space;
        AddressEnd = lastAddress + 1;
        space.Add(this);
    }

    /// <summary>From now on each request is looked at from the beginning.</summary>
    public void Release()
    {
        Space?.Remove(this);
        Space = null;
        AddressEnd = 0;
        Front.DropAll();
    }
}
