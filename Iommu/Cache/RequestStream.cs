using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>All requests that are translated alike: those of one requester.</summary>
/// <remarks>
/// What the caches hold about the requester hangs here: its context, as long as the context cache keeps it, and
/// its front table. It is ready while a request needs nothing else to be looked up in the IOTLB and the tables.
/// </remarks>
internal sealed class RequestStream(RemappedPort port)
{
    private ContextInfo _context;
    private ScalableContext _scalableContext;
    private ScalableRoute? _route;
    private bool _hasRoute;

    /// <summary>The requester.</summary>
    public RemappedPort Port => port;

    /// <summary>The pages that it uses most.</summary>
    public FrontTable Front { get; } = new();

    /// <summary>Whether the context cache holds <see cref="Context"/>.</summary>
    public bool IsContextCached { get; private set; }

    /// <summary>What root and context entry said when they were read.</summary>
    public ref readonly ContextInfo Context => ref _context;

    /// <summary>Whether the context cache holds <see cref="ScalableContext"/>.</summary>
    public bool IsScalableContextCached { get; private set; }

    /// <summary>What root and context entry of scalable mode said when they were read.</summary>
    public ref readonly ScalableContext ScalableContext => ref _scalableContext;

    /// <summary>What untranslated requests are in the address space that they use; null where the stream is not ready.</summary>
    public Tenant? Tenant { get; private set; }

    /// <summary>The first address that may not be translated; 0 while the stream is not ready.</summary>
    public ulong AddressEnd { get; private set; }

    /// <summary>Whether untranslated requests are translated as <see cref="Tenant"/> with <see cref="Context"/>.</summary>
    public bool IsReady => Tenant is not null;

    /// <summary>What plain requests meet in scalable mode; null where each request is looked at from the beginning.</summary>
    public ScalableRoute? Route => _hasRoute ? _route : null;

    /// <summary>Whether the cached context is one of a domain: of scalable mode, it names none and is one of all.</summary>
    public bool IsOf(DomainId domain) => IsScalableContextCached || _context.Domain == domain;

    /// <summary>The context cache takes a legacy context in.</summary>
    public void Cache(in ContextInfo context)
    {
        Uncache();
        _context = context;
        IsContextCached = true;
    }

    /// <summary>The context cache takes a context of scalable mode in.</summary>
    public void Cache(in ScalableContext context)
    {
        Uncache();
        _scalableContext = context;
        IsScalableContextCached = true;
    }

    /// <summary>The context cache gives the context up.</summary>
    public void Uncache()
    {
        Release();
        IsContextCached = false;
        IsScalableContextCached = false;
    }

    /// <summary>From now on requests use an address space.</summary>
    /// <param name="tenant">What the stream is there.</param>
    /// <param name="lastAddress">The highest address that is translated so; all ones where each page is looked at anew that the front table lacks.</param>
    public void Bind(Tenant tenant, ulong lastAddress)
    {
        Front.DropAll();
        Tenant = tenant;
        AddressEnd = lastAddress + 1;
    }

    /// <summary>From now on plain requests of scalable mode take what was worked out for one of them.</summary>
    /// <inheritdoc cref="ScalableRoute.Set"/>
    public void SetRoute(Tenant tenant, in PasidInfo info, bool privileged)
    {
        _route ??= new();
        _route.Set(tenant, info, privileged);
        _hasRoute = true;
    }

    /// <summary>From now on each request is looked at from the beginning.</summary>
    public void Release()
    {
        _hasRoute = false;
        Tenant = null;
        AddressEnd = 0;
        Front.DropAll();
    }
}
