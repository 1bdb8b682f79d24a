using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Compares the tables of the host's unit with those that a VM has for its own unit, once it has invalidated everything.</summary>
/// <remarks>
/// Both are read as bytes in memory. A page of device addresses that the VM's tables lead to its memory leads to the frame
/// behind that, with the same rights, and no other page leads anywhere. It makes no difference whether the host's tables
/// are a shadow of the VM's or whatever else gives the same.
/// </remarks>
internal sealed class ShadowCheck
{
    private const ulong PageBytes = 4096;

    private readonly IsolationWorld _world;
    private readonly WorldGuest _guest;
    private readonly GuestIommu _iommu;
    private readonly byte[] _before;

    /// <summary>Notes what the memory of the VM holds before it invalidates.</summary>
    public ShadowCheck(IsolationWorld world, WorldGuest guest, GuestIommu iommu)
    {
        (_world, _guest, _iommu) = (world, guest, iommu);
        _before = Read();
    }

    /// <summary>Compares, unless devices of the VM wrote its memory meanwhile, or the VMM had no room for all of it.</summary>
    public void Run()
    {
        byte[] now = Read();
        AuditReport wanted = Audit(now);
        ClearQueue(now);
        ClearQueue(_before);
        if (_iommu.PagesRefused != 0 || wanted.Incomplete.Count != 0 || !now.AsSpan().SequenceEqual(_before))
            return;
        AuditReport withoutQueue = Audit(now);
        AuditReport there = TableAudit.Run(_world.Host.Memory, TableCheck.RequestOf(_world.Host));
        foreach (WorldDevice device in _world.Devices)
        {
            if (device.FollowsOf == _guest && device.Busy == 0 && device.Assignment.State == AssignmentState.Assigned)
            {
                // A VM may take its queue for a table: what that says changes while it invalidates.
                SortedDictionary<ulong, (ulong Frame, MappingRights Rights)>? pages = PagesOf(device, wanted);
                if (pages is not null && PagesOf(device, withoutQueue) is { } others && pages.SequenceEqual(others))
                    Compare(device, pages, there);
            }
        }
    }

    // Without translation all memory of the VM is there: the VM asked for that.
    private SortedDictionary<ulong, (ulong Frame, MappingRights Rights)>? PagesOf(WorldDevice device, AuditReport report)
    {
        AuditedFunction? asked = report.Functions.FirstOrDefault(function => function.Source == device.GuestPlace);
        if (asked is { Legacy: { Present: true, TranslationType: TranslationType.PassThrough } })
            return null;
        SortedDictionary<ulong, (ulong Frame, MappingRights Rights)> pages = [];
        foreach (MappedRun run in asked?.Domain?.Runs ?? [])
            AddPages(pages, run, inGuest: true);
        return pages;
    }

    private void Compare(WorldDevice device, SortedDictionary<ulong, (ulong Frame, MappingRights Rights)> pages, AuditReport there)
    {
        SortedDictionary<ulong, (ulong Frame, MappingRights Rights)> found = [];
        AuditedFunction? function = there.Functions.FirstOrDefault(function => function.Source == device.Source);
        foreach (AuditedDomain? domain in function is null ? [] : function.Domain is { } legacy ? [legacy] : function.Pasids.Select(pasid => pasid.Domain))
        {
            foreach (MappedRun run in domain?.Runs ?? [])
                AddPages(found, run, inGuest: false);
        }

        foreach ((ulong page, (ulong frame, MappingRights rights)) in found)
        {
            if (!pages.Remove(page, out (ulong Frame, MappingRights Rights) said) || said != (frame, rights))
                _world.Violate("I3", $"device {device.Name} reaches frame {frame:X}h at {page << 12:X}h for {rights}, and the tables of VM {_guest.Name} do not say so any more");
        }

        foreach ((ulong page, _) in pages)
            _world.Violate("I1", $"device {device.Name} does not reach {page << 12:X}h, and the tables of VM {_guest.Name} lead from there to its memory");
    }

    private void AddPages(SortedDictionary<ulong, (ulong Frame, MappingRights Rights)> pages, MappedRun run, bool inGuest)
    {
        for (ulong done = 0; done < run.Length && (!inGuest || run.Target.Value + done < (ulong)_before.Length); done += PageBytes)
        {
            ulong address = run.Address.Value + done;
            if (InterruptRange.Contains(address))
                continue;
            ulong frame = (run.Target.Value + done) >> 12;
            pages[address >> 12] = (inGuest ? _guest.FrameOf((int)frame) >> 12 : frame, run.Rights & (MappingRights.Read | MappingRights.Write));
        }
    }

    private static void ClearQueue(byte[] memory) => memory.AsSpan((int)(GuestIommu.QueuePage * PageBytes), (int)(2 * PageBytes)).Clear();

    private AuditReport Audit(byte[] bytes)
    {
        using PhysicalMemory memory = new((ulong)bytes.Length);
        _ = memory.TryWrite(new PhysicalAddress(0), bytes);
        return TableAudit.Run(memory, new() { Root = new(0), Profile = _iommu.Profile });
    }

    private byte[] Read()
    {
        byte[] bytes = new byte[(ulong)_guest.Pages * PageBytes];
        _ = _guest.Machine!.Cpu.TryRead(new(0), bytes);
        return bytes;
    }
}
