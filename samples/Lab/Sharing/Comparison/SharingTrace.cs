using Dma.Machine;

namespace Dma.Lab;

/// <summary>The timeline of a mechanism at work: what drivers of VMs asked for, exits and interrupts, packets on the buses, requests of devices.</summary>
/// <param name="output">Where it is written.</param>
internal sealed class SharingTrace(Stream output)
{
    /// <summary>For how long it is drawn, from the moment at which all VMs are at work.</summary>
    public const ulong LengthNs = 100_000_000;

    /// <summary>Draws.</summary>
    /// <param name="world">The mechanism, whose VMs are at work.</param>
    /// <param name="guests">The VMs.</param>
    /// <param name="owners">Who sees the packets, for each bus.</param>
    public async Task Draw(SharingWorld world, IReadOnlyList<SharingGuest> guests, IReadOnlyList<PacketOwners> owners)
    {
        using MachineTimeline timeline = new(output, world.Host, world.Machines);
        foreach ((Processor helper, int index) in world.Helpers.Select(static (helper, index) => (helper, index)))
            timeline.Watch(helper, timeline.Timeline.Track("VMM", $"helper {index + 1}"));
        PacketTimeline packets = new(timeline.Timeline, [.. world.Machines.Select(static machine => machine.Name)]);
        foreach (PacketOwners owner in owners)
            owner.Timeline = packets;
        await world.Host.Loop.Delay(LengthNs);
        foreach (PacketOwners owner in owners)
            owner.Timeline = null;
        for (int number = 0; number < guests.Count; number++)
        {
            foreach ((ulong startNs, ulong endNs, int bytes) in guests[number].Transfers)
                timeline.Note(number, $"{bytes} bytes", startNs, endNs);
        }
    }
}
