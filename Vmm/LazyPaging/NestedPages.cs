using Dma.Hal;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Supplies the pages of a process of a guest: what its page table lacks the guest supplies, what the host's tables lack the VMM.</summary>
/// <remarks>
/// The device says an address of the process, not which of the two translations failed. So the walk of the hardware is
/// repeated here: each table of the guest on the way, and the page, must be one that the device's walk can reach.
/// The guest's handler is software of the guest: while it is waited for, the pages of all others wait too. So it has
/// a time; once that has passed without an answer, the process is not asked again, and what its tables lack is refused.
/// </remarks>
/// <param name="device">Who asks.</param>
/// <param name="cpu">The guest's view of its memory.</param>
/// <param name="pageTable">The process's top table.</param>
/// <param name="guest">The guest's own handler.</param>
internal sealed class NestedPages(LazyDevice device, ICpu cpu, GuestPhysicalAddress pageTable, IPageSupplier guest) : IPageSupplier
{
    private const int Levels = 4;
    private const ulong PatienceNs = 10_000_000;

    private bool _isSilent;

    /// <inheritdoc/>
    public async ValueTask<PageResponseCode> Supply(PageRequestGroup group)
    {
        foreach (PageRequestDescriptor page in group.Pages)
        {
            // The guest is asked where its own tables do not do, once for each page that they lack.
            if (!await TrySupply(page) && !(await TryAskGuest(group) && await TrySupply(page)))
                return PageResponseCode.InvalidRequest;
        }

        return PageResponseCode.Success;
    }

    private async ValueTask<bool> TryAskGuest(PageRequestGroup group)
    {
        if (_isSilent)
            return false;
        EventLoop loop = cpu.Processor.Loop;
        Signal answered = new(loop);
        PageResponseCode code = PageResponseCode.Failure;
        loop.Start(async () =>
        {
            code = await guest.Supply(group);
            answered.Raise();
        });
        _isSilent = !await answered.Wait(PatienceNs);
        return !_isSilent && code == PageResponseCode.Success;
    }

    private async ValueTask<bool> TrySupply(PageRequestDescriptor page)
    {
        ulong address = page.Address.Value;
        GuestPhysicalAddress table = pageTable;
        for (int level = Levels; ; level--)
        {
            if (!await device.TryMap(table))
                return false;
            FirstStageEntry entry = new(new(cpu.Load(table + ((address >> (3 + (9 * level)) & 0x1FF) * sizeof(ulong)), sizeof(ulong))));
            if (!entry.Present || !entry.User || (page.Write && !entry.Writable))
                return false;
            bool isLeaf = level == 1 || (level < Levels && entry.PageSize);
            ulong inPage = isLeaf ? address & ((1ul << (12 + (9 * (level - 1)))) - 1) : 0;
            table = new(entry.Address.Value + inPage);
            if (isLeaf)
                return await device.TryMap(table);
        }
    }
}
