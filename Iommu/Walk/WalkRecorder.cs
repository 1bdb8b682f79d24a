using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Writes down what a walk reads and checks.</summary>
internal readonly struct WalkRecorder(List<WalkStep> steps) : IWalkObserver
{
    public static bool Observes => true;

    public void Entry(WalkStructure structure, int level, PhysicalAddress address, in Bits512 raw) =>
        steps.Add(new(structure, level, address, raw, new List<WalkCheck>()));

    public void Check(WalkCheckKind kind, ulong mask, bool passed) =>
        ((List<WalkCheck>)steps[^1].Checks).Add(new(kind, mask, passed));
}
