using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Where an interrupt queue stands in the periodic schedule.</summary>
/// <param name="Period">Frames from turn to turn, a power of two up to <see cref="Frames"/>; 0 for nowhere.</param>
/// <param name="Phase">The first frame, below the period.</param>
/// <param name="Depth">How many structures of its own VM come behind it.</param>
internal readonly record struct PeriodicStand(int Period, int Phase, int Depth)
{
    /// <summary>Frames of the list of the controller.</summary>
    public const int Frames = 1024;

    /// <summary>The stand of a queue that is in one frame.</summary>
    public static PeriodicStand Of(int frame) => new(Frames, frame, 0);

    /// <summary>Whether it has a turn in a frame.</summary>
    public bool IsIn(int frame) => Period != 0 && (frame & (Period - 1)) == Phase;

    /// <summary>Whether it has a turn in each frame in which another one has.</summary>
    public bool IsInAllOf(in PeriodicStand other) => Period != 0 && Period <= other.Period && (other.Phase & (Period - 1)) == Phase;

    /// <summary>The rarest regular turns that are in all frames of both: a guest that asks for irregular ones gets them more often.</summary>
    public PeriodicStand With(in PeriodicStand other)
    {
        if (Period == 0)
            return other;
        int period = Math.Min(Period, other.Period);
        while (((Phase ^ other.Phase) & (period - 1)) != 0)
            period >>= 1;
        return new(period, Phase & (period - 1), Depth);
    }

    /// <summary>What it takes of the bus.</summary>
    /// <param name="queue">The queue.</param>
    public PeriodicTurns Turns(QueueCopy queue)
    {
        EndpointCharacteristics endpoint = queue.Endpoint;
        int bytes = endpoint.MaxPacketSize * Math.Max(queue.Capabilities.Multiplier, 1);
        PeriodicEndpoint need = new(endpoint.Speed, IsIsochronous: false, In: true, bytes, 8 * Period);
        PeriodicEndpoint other = need with { In = false };
        return new(
            Phase,
            Period,
            queue.Capabilities.StartMask,
            endpoint.Speed == EndpointSpeed.High ? (byte)0 : queue.Capabilities.CompleteMask,
            Math.Max(need.StartNs, other.StartNs),
            Math.Max(need.CompleteNs, other.CompleteNs));
    }
}
