using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The schedule that the controller runs, as it lies in memory, and what of it is whose.</summary>
public sealed class MergedPicture
{
    private const int StructuresMax = 4096;

    private readonly ScheduleMerger _merger;
    private readonly CopyPool _pool;

    internal MergedPicture(ScheduleMerger merger, CopyPool pool) => (_merger, _pool) = (merger, pool);

    /// <summary>How many structures of the asynchronous list are marked as its head.</summary>
    public int Heads
    {
        get
        {
            int heads = 0;
            foreach (uint address in AsyncAddresses())
                heads += PoolOf(address).Read<QueueHead>(address).Characteristics.ReclamationHead ? 1 : 0;
            return heads;
        }
    }

    /// <summary>The asynchronous list, from behind its head.</summary>
    public IReadOnlyList<MergedStructure> Async
    {
        get
        {
            List<MergedStructure> found = [];
            foreach (uint address in AsyncAddresses())
            {
                if (Owner(address, LinkType.QueueHead) is { } structure)
                    found.Add(structure);
            }

            return found;
        }
    }

    /// <summary>The list of a frame.</summary>
    /// <param name="frame">The element of the frame list, 0 to 1023.</param>
    public IReadOnlyList<MergedStructure> Frame(int frame)
    {
        List<MergedStructure> found = [];
        LinkPointer at = _pool.Read<LinkPointer>(_pool.Start + (sizeof(uint) * (uint)frame));
        for (int count = 0; !at.Terminate && count < StructuresMax; count++)
        {
            if (Owner(at.Address, at.Type) is { } structure)
                found.Add(structure);
            at = PoolOf(at.Address).Read<LinkPointer>(at.Address);
        }

        return found;
    }

    private IEnumerable<uint> AsyncAddresses()
    {
        uint at = _merger.Async.Head;
        for (int count = 0; count < StructuresMax; count++)
        {
            yield return at;
            at = PoolOf(at).Read<LinkPointer>(at).Address;
            if (at == _merger.Async.Head)
                yield break;
        }
    }

    private CopyPool PoolOf(uint address) => GuestOf(address)?.Pool ?? _pool;

    // Each VM has a pool of its own.
    private CopiedGuest? GuestOf(uint address)
    {
        foreach (CopiedGuest guest in _merger.Guests)
        {
            if (guest.Pool.Contains(address))
                return guest;
        }

        return null;
    }

    private MergedStructure? Owner(uint address, LinkType type)
    {
        if (GuestOf(address) is not { } guest)
            return null;
        uint? at = (Find(guest.Ring, address) ?? Find(guest.InterruptQueues, address))?.GuestAddress ?? _merger.Periodic.Isochronous.Find(address)?.GuestAddress;
        return at is { } found ? new(guest.Machine, type, new(guest.At(found))) : null;
    }

    private static QueueCopy? Find(IReadOnlyList<QueueCopy> queues, uint address)
    {
        for (int index = 0; index < queues.Count; index++)
        {
            if (queues[index].Address == address)
                return queues[index];
        }

        return null;
    }
}
