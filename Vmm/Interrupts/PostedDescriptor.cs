using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A posted-interrupt descriptor as processor and VMM change it, while a unit may be posting into it.</summary>
/// <remarks>Each change is an atomic exchange of one quadword, so that nothing that the unit does in between is undone.</remarks>
/// <param name="memory">Host memory.</param>
/// <param name="address">Where it is.</param>
internal sealed class PostedDescriptor(PhysicalMemory memory, PhysicalAddress address)
{
    private const ulong ControlOffset = 32;
    private static readonly ulong _sn = new PostedInterruptDescriptor { SuppressNotification = true }.Raw.Word4;
    private static readonly ulong _on = new PostedInterruptDescriptor { OutstandingNotification = true }.Raw.Word4;

    /// <summary>Where it is.</summary>
    public PhysicalAddress Address => address;

    /// <summary>ON: a notification was sent, and what it tells of was not collected.</summary>
    public bool IsOutstanding => (Read(ControlOffset) & _on) != 0;

    /// <summary>Clears ON: the next interrupt is notified of again.</summary>
    public void ClearOutstanding()
    {
        ulong found = Read(ControlOffset);
        while (!TryReplace(ControlOffset, ref found, found & ~_on))
        {
        }
    }

    /// <summary>Posts an interrupt, as the remapping unit does.</summary>
    /// <param name="vector">The guest's vector.</param>
    /// <returns>Whether a notification is due: none is outstanding, and none is suppressed.</returns>
    public bool Post(byte vector)
    {
        ulong offset = (ulong)(vector / 64 * 8);
        ulong bit = 1ul << (vector % 64);
        ulong requests = Read(offset);
        while (!TryReplace(offset, ref requests, requests | bit))
        {
        }

        ulong control = Read(ControlOffset);
        while ((control & (_on | _sn)) == 0)
        {
            if (TryReplace(ControlOffset, ref control, control | _on))
                return true;
        }

        return false;
    }

    /// <summary>Decides who is notified, and whether at all; ON stays as it is.</summary>
    /// <param name="vector">NV.</param>
    /// <param name="destination">NDST.</param>
    /// <param name="isSuppressed">SN.</param>
    public void Notify(byte vector, uint destination, bool isSuppressed)
    {
        ulong wanted = new PostedInterruptDescriptor
        {
            NotificationVector = vector,
            NotificationDestination = destination,
            SuppressNotification = isSuppressed,
        }.Raw.Word4;
        ulong found = Read(ControlOffset);
        while (!TryReplace(ControlOffset, ref found, wanted | (found & _on)))
        {
        }
    }

    /// <summary>Collects all requests, and leaves none.</summary>
    public Bits256 TakeRequests() => new(Take(0), Take(8), Take(16), Take(24));

    private ulong Take(ulong offset)
    {
        ulong found = Read(offset);
        while (found != 0 && !TryReplace(offset, ref found, 0))
        {
        }

        return found;
    }

    private ulong Read(ulong offset) => memory.TryRead(address + offset, out ulong value) ? value : throw NoMemory();

    private bool TryReplace(ulong offset, ref ulong expected, ulong replacement)
    {
        if (!memory.TryCompareExchange(address + offset, expected, replacement, out ulong found))
            throw NoMemory();
        bool isReplaced = found == expected;
        expected = found;
        return isReplaced;
    }

    private InvalidOperationException NoMemory() => new($"A posted-interrupt descriptor lies at {address}, which is no memory.");
}
