using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a front end names when it connects: the pages of its rings, in use until they are returned, and what wakes it.</summary>
/// <param name="Requests">The page of the ring of requests.</param>
/// <param name="Plugs">The page of the ring of plug events.</param>
/// <param name="Interrupt">What wakes it.</param>
internal sealed record FrontEndRings(GrantedPage Requests, GrantedPage Plugs, MessageInterrupt Interrupt)
{
    /// <summary>Begins to use the pages.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="grants">What is believed of its grants.</param>
    /// <param name="requests">The grant of the ring of requests; any number.</param>
    /// <param name="plugs">That of the ring of plug events.</param>
    /// <param name="vector">The vector.</param>
    /// <param name="rings">The rings, where nothing is refused.</param>
    /// <returns>Why nothing changed, as <see cref="Hypercall.ConnectUsb"/> says.</returns>
    public static DmaRefusal TryOpen(VirtualMachine machine, IGrants grants, ulong requests, ulong plugs, ulong vector, out FrontEndRings? rings)
    {
        rings = null;

        // What is written through grants goes by no log.
        if (machine.Memory.DirtyLog is not null)
            return DmaRefusal.Denied;
        if (vector is < 32 or > byte.MaxValue)
            return DmaRefusal.BadRange;
        if (requests > uint.MaxValue || plugs > uint.MaxValue || !grants.TryTake((uint)requests, isWritten: true, out GrantedPage requestPage))
            return DmaRefusal.NotMapped;
        if (!grants.TryTake((uint)plugs, isWritten: true, out GrantedPage plugPage))
        {
            grants.Return(requestPage);
            return DmaRefusal.NotMapped;
        }

        rings = new(requestPage, plugPage, MessageInterrupt.To(machine.Cpu.ApicId, (byte)vector));
        return DmaRefusal.None;
    }

    /// <summary>Ends the use of the pages.</summary>
    public void Return(IGrants grants)
    {
        grants.Return(Requests);
        grants.Return(Plugs);
    }
}
