namespace Dma.Lab;

/// <summary>What the work came to under a policy; per transfer, where nothing else is said.</summary>
public sealed record PolicyFigures
{
    /// <summary>Hypercalls of the guest.</summary>
    public required double Hypercalls { get; init; }

    /// <summary>How often the guest left for the VMM, hypercalls included.</summary>
    public required double Exits { get; init; }

    /// <summary>Invalidations of the remapping unit that the VMM waited for.</summary>
    public required double Invalidations { get; init; }

    /// <summary>Which part of the translations the IOTLB answered, 0 to 1.</summary>
    public required double IotlbHits { get; init; }

    /// <summary>The most pages that the VM had pinned at a time.</summary>
    public required ulong PinnedPagesMost { get; init; }

    /// <summary>Bytes that processors copied for each byte of data.</summary>
    public required double CopiesPerByte { get; init; }

    /// <summary>Virtual time from the call of the driver to its return, in nanoseconds.</summary>
    public required double TimeNs { get; init; }

    /// <summary>What was charged to the guest's processor, in nanoseconds.</summary>
    public required double GuestNs { get; init; }

    /// <summary>What was charged to the VMM's processor, in nanoseconds.</summary>
    public required double VmmNs { get; init; }

    /// <summary>The checksum of what the guest read and the disk was given.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Whether every transfer brought what it should.</summary>
    public required bool IsWhole { get; init; }

    /// <summary>How long the device got through after an unmap.</summary>
    public PolicyAttack Attack { get; init; } = new(0, 0, 0, 0);

    /// <summary>How far the device reached with nothing mapped for it.</summary>
    public PolicyReach Reach { get; init; }
}
