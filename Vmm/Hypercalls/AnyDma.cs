namespace Dma.Vmm;

/// <summary>The policy that permits everything.</summary>
public sealed class AnyDma : IDmaPolicy
{
    private AnyDma()
    {
    }

    /// <summary>The one there is.</summary>
    public static AnyDma Instance { get; } = new();

    /// <inheritdoc/>
    public bool Permits(in DmaRequest request) => true;
}
