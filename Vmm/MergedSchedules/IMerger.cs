using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Makes one schedule of those of several VMs, for the controller that runs it.</summary>
internal interface IMerger
{
    /// <summary>What the controller itself reaches.</summary>
    RemappingDomain Domain { get; }

    /// <summary>Where the schedule is: CTRLDSSEGMENT, PERIODICLISTBASE with 1,024 elements, ASYNCLISTADDR.</summary>
    (uint Segment, uint FrameList, uint Ring) Lists { get; }

    /// <summary>How many VMs it can serve.</summary>
    int MachinesMax { get; }

    /// <summary>The schedule as it lies in memory; null where it lies nowhere.</summary>
    MergedPicture? Picture { get; }

    /// <summary>When its next round is due by time alone.</summary>
    ulong DueNs();

    /// <summary>A round: ends go to guests, what they added or changed is found, and the controller is told.</summary>
    void Work();

    /// <summary>The controller stands still, for an error or since it is gone: all guests find that theirs failed, and nothing is held any more.</summary>
    void StandStill();

    /// <summary>Whose an address on the bus is; -1 where it is nobody's.</summary>
    int OwnerOf(byte real);

    /// <summary>Gives a VM a virtual controller.</summary>
    /// <returns>The guest, or why not; nothing changed then.</returns>
    ValueTask<(MergedGuest?, AssignmentResult)> TryAdd(MergedUsbController controller, VirtualMachine machine, SourceId guestAddress, int number, uint ports);

    /// <summary>A guest is served no more; nothing of it is on the bus.</summary>
    void Remove(MergedGuest guest);

    /// <summary>Gives back what it took.</summary>
    ValueTask Close();
}
