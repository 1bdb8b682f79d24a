namespace Dma.Vmm;

/// <summary>What a step of an assignment came to.</summary>
/// <param name="Refusal"><see cref="AssignmentRefusal.None"/>, or why everything is as before.</param>
/// <param name="Reason">The same for people.</param>
public readonly record struct AssignmentResult(AssignmentRefusal Refusal, string Reason)
{
    /// <summary>Done.</summary>
    public static AssignmentResult Done => new(AssignmentRefusal.None, "done");

    /// <summary>Whether it was done.</summary>
    public bool IsDone => Refusal == AssignmentRefusal.None;
}
