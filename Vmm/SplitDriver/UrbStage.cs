namespace Dma.Vmm;

/// <summary>How far a request of a front end came.</summary>
public enum UrbStage
{
    /// <summary>The back end took it from the ring.</summary>
    Taken,

    /// <summary>The stack was given it; an isochronous one has its slot.</summary>
    Submitted,

    /// <summary>The stack is done with it.</summary>
    Completed,

    /// <summary>Its response is in the ring.</summary>
    Answered,
}
