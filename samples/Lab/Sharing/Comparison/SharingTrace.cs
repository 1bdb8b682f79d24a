using Dma.Machine;

namespace Dma.Lab;

/// <summary>The timeline of a mechanism at work: what drivers of VMs asked for, exits and interrupts, packets on the buses, requests of devices.</summary>
/// <param name="output">Where it is written.</param>
internal sealed class SharingTrace(Stream output)
{
    /// <summary>Draws what happens from here on.</summary>
    /// <param name="world">The mechanism, whose VMs are there.</param>
    /// <param name="guests">The VMs.</param>
    /// <param name="owners">Who sees the packets, for each bus.</param>
    /// <param name="lengthNs">For how long.</param>
    public async Task Draw(SharingWorld world, IReadOnlyList<SharingGuest> guests, IReadOnlyList<PacketOwners> owners, ulong lengthNs)
    {
        using MachineTimeline timeline = new(output, world.Host, world.Machines);
        foreach ((string name, Processor processor) in world.Helpers)
            timeline.Watch(processor, timeline.Timeline.Track("VMM", name));
        PacketTimeline packets = new(timeline.Timeline, [.. world.Machines.Select(static machine => machine.Name)]);
        foreach (PacketOwners owner in owners)
            owner.Timeline = packets;
        await world.Host.Loop.Delay(lengthNs);
        foreach (PacketOwners owner in owners)
            owner.Timeline = null;
        for (int number = 0; number < guests.Count; number++)
        {
            foreach ((ulong startNs, ulong endNs, int bytes) in guests[number].Transfers)
                timeline.Note(number, $"{bytes} bytes", startNs, endNs);
        }
    }
}
