using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Something that happened to a page of a window.</summary>
/// <param name="Kind">What.</param>
/// <param name="Page">The page, as the guest numbers it.</param>
public readonly record struct WindowEvent(WindowEventKind Kind, GuestPhysicalAddress Page);

/// <summary>What happens to pages of a window.</summary>
public enum WindowEventKind
{
    /// <summary>It was touched, and is there now.</summary>
    Fault,

    /// <summary>It was touched, and is no memory of the VM.</summary>
    RefusedFault,

    /// <summary>It made room for another one.</summary>
    Eviction,

    /// <summary>It lost its frame, and is not there any more.</summary>
    ShootDown,
}
