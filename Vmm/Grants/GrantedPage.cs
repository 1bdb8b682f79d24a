using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A page of a guest that the host uses by a grant, from <see cref="IGrants.TryTake"/> to <see cref="IGrants.Return"/>.</summary>
/// <param name="Grant">The number of the grant.</param>
/// <param name="Frame">The frame of the host behind the page; it stays there, whatever the guest does to its table.</param>
/// <param name="IsWritable">Whether the host may write it.</param>
public readonly record struct GrantedPage(uint Grant, PhysicalAddress Frame, bool IsWritable);
