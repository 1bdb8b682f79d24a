namespace Dma.Machine;

/// <summary>The Device/Port Type field of the PCI Express capability (PCI Express base, 7.5.3.2).</summary>
public enum PciExpressType
{
    /// <summary>0: a device behind a port.</summary>
    Endpoint = 0,

    /// <summary>1: a device behind a port that keeps old habits, such as I/O space.</summary>
    LegacyEndpoint = 1,

    /// <summary>4: a port of the root complex; its secondary bus is a link.</summary>
    RootPort = 4,

    /// <summary>5: the port of a switch toward the root.</summary>
    SwitchUpstreamPort = 5,

    /// <summary>6: a port of a switch away from the root.</summary>
    SwitchDownstreamPort = 6,

    /// <summary>7: a bridge to a conventional bus, which makes all requests from there its own.</summary>
    ExpressToConventional = 7,

    /// <summary>9: a device inside the root complex, without a link.</summary>
    RootComplexEndpoint = 9,
}
