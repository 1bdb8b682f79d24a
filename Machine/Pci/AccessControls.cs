namespace Dma.Machine;

/// <summary>What a port can check of requests from below, by the bits of its access control services (PCI Express base, 7.7.7).</summary>
[Flags]
public enum AccessControls
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Bit 0, V: the bus number of the requester is one below the port.</summary>
    SourceValidation = 1 << 0,

    /// <summary>Bit 1, B: the request is an untranslated one.</summary>
    TranslationBlocking = 1 << 1,

    /// <summary>Bit 2, R: requests to peers go by way of the root.</summary>
    PeerRequestRedirect = 1 << 2,

    /// <summary>Bit 3, C: completions to peers go by way of the root.</summary>
    PeerCompletionRedirect = 1 << 3,

    /// <summary>Bit 4, U: what comes back down on its way to where it came from goes up again.</summary>
    UpstreamForwarding = 1 << 4,

    /// <summary>What switches and root ports of servers have.</summary>
    Usual = SourceValidation | TranslationBlocking | PeerRequestRedirect | PeerCompletionRedirect | UpstreamForwarding,
}
