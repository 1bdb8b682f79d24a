using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Everything of a host that an assignment changes, counted: pins, tables, entries, and the configuration of the device.</summary>
/// <param name="Pins">Pinned frames.</param>
/// <param name="PinnedPages">Pinned pages of all VMs.</param>
/// <param name="TableFrames">Frames in tables of the remapping unit.</param>
/// <param name="EptFrames">Frames in EPT tables of all VMs.</param>
/// <param name="Free">Frames that nobody owns.</param>
/// <param name="InterruptEntries">Free entries of the interrupt remapping table.</param>
/// <param name="Domain">The domain of the device, or none.</param>
/// <param name="Configuration">The configuration space of the device, in hexadecimal.</param>
/// <param name="Walk">What the unit says of a request of the device.</param>
/// <param name="Devices">How many devices VMs have.</param>
internal sealed record HostState(
    ulong Pins,
    ulong PinnedPages,
    int TableFrames,
    int EptFrames,
    ulong Free,
    int InterruptEntries,
    int? Domain,
    string Configuration,
    string Walk,
    int Devices)
{
    public static HostState Of(Host host, PciFunction device)
    {
        WalkTranscript walk = host.Unit.Explain(device.Requester, new(DmaMappings.WindowStart), write: true);
        return new(
            host.Frames.Pins,
            host.Machines.Aggregate(0ul, (pages, vm) => pages + vm.PinnedPages),
            host.Remapping.FramesInUse,
            host.Machines.Sum(vm => vm.Memory.Tables.TableFrames),
            host.Frames.CountOf(FrameOwner.Free),
            host.Remapping.Interrupts?.EntriesFree ?? 0,
            host.AssignmentOf(device.Source).DomainId,
            string.Join(' ', Enumerable.Range(0, 1024).Select(at => (At: at, Value: device.Configuration.Read(4 * at, 4))).Where(word => word.Value != 0)),
            $"{walk.Fault}",
            host.Machines.Sum(vm => vm.Devices.Count));
    }
}
