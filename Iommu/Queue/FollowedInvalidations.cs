namespace Dma.Iommu;

/// <summary>How far somebody outside of the unit has followed its invalidations, such as a VMM with shadow tables.</summary>
internal sealed class FollowedInvalidations
{
    /// <summary>The number of the last one that somebody began to follow, counted from 1.</summary>
    public ulong Begun { get; private set; }

    /// <summary>The number of the last one that was followed, with all before it.</summary>
    public ulong Done { get; private set; }

    /// <summary>Whether one is being followed.</summary>
    public bool AnyOutstanding => Done != Begun;

    /// <summary>Somebody begins to follow.</summary>
    public ulong Begin() => ++Begun;

    /// <summary>All up to a number are followed.</summary>
    public void End(ulong number) => Done = Math.Clamp(number, Done, Begun);
}
