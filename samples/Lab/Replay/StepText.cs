namespace Dma.Lab;

/// <summary>A step in a few words.</summary>
internal static class StepText
{
    /// <summary>The words.</summary>
    public static string Of(RecordedStep step) => step.Kind switch
    {
        StepKind.MemoryWrite => $"write {step.Bytes.Length} bytes at {step.Address:X}h",
        StepKind.MemoryRead => $"read {step.Length} bytes at {step.Address:X}h",
        StepKind.RegisterWrite => $"write {step.Register}: {step.Value:X}h",
        StepKind.RegisterRead => $"read {step.Register}",
        StepKind.DmaRead => $"{step.Device} at {step.Source} reads {step.Length} bytes at {step.Address:X}h",
        StepKind.DmaWrite => $"{step.Device} at {step.Source} writes {step.Bytes.Length} bytes at {step.Address:X}h",
        StepKind.Message => $"{step.Device} at {step.Source} sends {step.Value:X}h to {step.Address:X}h",
        StepKind.InterruptCheck => "look at the interrupts",
        _ => "note",
    };
}
