using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A small host, and what must be true of a device that is back with it.</summary>
internal static class AssignmentWorld
{
    public const ulong MiB = 1 << 20;

    public static Host Small(FaultStorm? storm = null) => new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, FaultStorm = storm });

    public static AssignmentResult Run(Host host, Func<ValueTask<AssignmentResult>> step) => host.Loop.Run(() => step().AsTask());

    public static HypercallResult Call(Host host, VirtualMachine vm, Hypercall number, params ulong[] arguments) =>
        host.Loop.Run(() => vm.Cpu.Call(
            number, arguments.ElementAtOrDefault(0), arguments.ElementAtOrDefault(1), arguments.ElementAtOrDefault(2), arguments.ElementAtOrDefault(3)).AsTask());

    public static void AssertWithHost(Host host, Assignment assignment)
    {
        Assert.Equal(AssignmentState.Host, assignment.State);
        AssertNothingLeft(host, assignment, assignment.Source);
    }

    public static void AssertNothingLeft(Host host, Assignment assignment, SourceId source)
    {
        Assert.Null(assignment.Machine);
        Assert.Null(assignment.Mappings);
        Assert.Null(assignment.DomainId);
        Assert.Empty(assignment.MappedBars);
        Assert.Equal(0ul, host.Frames.Pins);
        Assert.All(host.Machines, vm => Assert.Equal(0ul, vm.PinnedPages));
        Assert.All(host.Machines, vm => Assert.DoesNotContain(assignment, vm.Devices));
        WalkTranscript walk = host.Unit.Explain(source, new(DmaMappings.WindowStart), write: false);
        Assert.True(
            walk.Fault is FaultReason.RootNotPresent or FaultReason.ContextNotPresent or FaultReason.ScalableRootNotPresent or FaultReason.ScalableContextNotPresent,
            walk.ToString());
    }
}
