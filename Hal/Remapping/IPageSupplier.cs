using Dma.Machine;

namespace Dma.Hal;

/// <summary>Who makes the pages available that a device asks for: the owner of the address space.</summary>
public interface IPageSupplier
{
    /// <summary>Makes all pages of a group available, with the rights that are asked for, or none.</summary>
    /// <param name="group">What the device wants.</param>
    /// <returns>
    /// <see cref="PageResponseCode.Success"/> when tables say so and the unit needs no more word; else
    /// <see cref="PageResponseCode.InvalidRequest"/>, and the device gives this access up.
    /// </returns>
    ValueTask<PageResponseCode> Supply(PageRequestGroup group);
}
