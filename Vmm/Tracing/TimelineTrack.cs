namespace Dma.Vmm;

/// <summary>One line of a timeline.</summary>
/// <param name="Process">Which group of lines it is in, from 1 on.</param>
/// <param name="Thread">Which line of the group, from 1 on.</param>
public readonly record struct TimelineTrack(int Process, int Thread);
