namespace Dma.Vmm;

/// <summary>How the back end in a service VM works.</summary>
public sealed record ServiceBackEndOptions
{
    /// <summary>Data of up to so many bytes is copied by the VMM; more than that is mapped for the controller, where its pages can be put side by side.</summary>
    public int CopiedBytesMax { get; init; }

    /// <summary>How front ends share the controller.</summary>
    public FairGateOptions Sharing { get; init; } = new();

    /// <summary>Whether isochronous streams have slots ahead of time, with blanks where a front end is late.</summary>
    public bool LooksAhead { get; init; } = true;

    /// <summary>Who is told how far requests came; null for nobody.</summary>
    public IUrbWatch? Watch { get; init; }
}
