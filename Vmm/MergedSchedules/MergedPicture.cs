using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The schedule that the controller runs, as it lies in memory, and what of it is whose.</summary>
public sealed class MergedPicture
{
    private const int StructuresMax = 4096;

    private readonly MergedUsbController _controller;
    private readonly CopyPool _pool;

    internal MergedPicture(MergedUsbController controller, CopyPool pool) => (_controller, _pool) = (controller, pool);

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

    /// <summary>The list of a frame as its VM has it.</summary>
    /// <param name="machine">A VM that has a virtual controller.</param>
    /// <param name="frame">The element of the frame list of the controller, 0 to 1023.</param>
    public IReadOnlyList<MergedStructure> GuestFrame(VirtualMachine machine, int frame)
    {
        List<MergedStructure> found = [];
        MergedGuest guest = _controller.GuestOf(machine);
        int shift = guest.FrameShift;
        int element = (frame + shift) & (guest.Virtual.FrameListLength - 1);
        for (ulong at = guest.Virtual.FrameList + (sizeof(uint) * (uint)element); found.Count < StructuresMax;)
        {
            if (!guest.Virtual.WantsPeriodic || !guest.Space.TryPeek(at, out LinkPointer next) || next.Terminate)
                break;
            at = guest.At(next.Address);
            found.Add(new(machine, next.Type, new(at)));
        }

        return found;
    }

    private IEnumerable<uint> AsyncAddresses()
    {
        uint at = _controller.Async.Head;
        for (int count = 0; count < StructuresMax; count++)
        {
            yield return at;
            at = PoolOf(at).Read<LinkPointer>(at).Address;
            if (at == _controller.Async.Head)
                yield break;
        }
    }

    private CopyPool PoolOf(uint address) => _controller.Guests.Select(guest => guest.Pool).FirstOrDefault(pool => pool.Contains(address)) ?? _pool;

    private MergedStructure? Owner(uint address, LinkType type)
    {
        foreach (MergedGuest guest in _controller.Guests)
        {
            foreach (QueueCopy queue in guest.Ring.Concat(guest.InterruptQueues))
            {
                if (queue.Address == address)
                    return new(guest.Machine, type, new(guest.At(queue.GuestAddress)));
            }
        }

        return _controller.Periodic.Isochronous.Find(address) is { } copy ? new(copy.Guest.Machine, type, new(copy.Guest.At(copy.GuestAddress))) : null;
    }
}
