using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>A process that shares its address space with a device, under a PASID.</summary>
public sealed class ProcessBinding
{
    private readonly ProcessSpaces _spaces;

    internal ProcessBinding(ProcessSpaces spaces, SourceId source, Pasid pasid, ProcessOptions options, DomainId domain) =>
        (_spaces, Source, Pasid, Options, Domain) = (spaces, source, pasid, options, domain);

    /// <summary>The device.</summary>
    public SourceId Source { get; }

    /// <summary>What its requests carry to be those of the process.</summary>
    public Pasid Pasid { get; }

    /// <summary>What was decided when it was bound.</summary>
    public ProcessOptions Options { get; }

    /// <summary>The tag of cached translations: that of the domain below, or one of its own.</summary>
    public DomainId Domain { get; }

    internal bool HasEnded { get; set; }

    internal bool IsNested => Options.Host is not null;

    /// <summary>The page table of the process has changed: pages were taken away, or lost a right. Pages that were added need no word.</summary>
    /// <param name="address">The first byte whose translation changed.</param>
    /// <param name="length">Bytes, at least 1; the range must not wrap.</param>
    /// <remarks>When it completes, neither the unit nor the device uses what was there before.</remarks>
    public ValueTask Invalidate(Iova address, ulong length)
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length - 1, ulong.MaxValue - address.Value, nameof(length));
        return _spaces.Invalidate(this, address, length);
    }

    /// <summary>Ends it. The device should have stopped using the PASID; when it completes, its requests are refused, and nothing is under way.</summary>
    /// <exception cref="InvalidOperationException">It was ended before.</exception>
    public ValueTask Unbind() => _spaces.Unbind(this);
}
