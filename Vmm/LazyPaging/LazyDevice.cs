using Dma.Hal;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device of a VM whose memory comes when it is touched: it reaches guest-physical addresses, and asks for those that are missing.</summary>
/// <remarks>
/// <code>
///   page request --> is it memory of the VM? --> frame --> map in the domain --> Success
///                                                  ^
///                     too many reached? the page that came first: unmap, invalidate IOTLB and device TLB, let go
/// </code>
/// Nothing is pinned: a page that a device was given is taken back when another one needs its place.
/// </remarks>
public sealed class LazyDevice : IPageSupplier
{
    private readonly VirtualMachine _machine;
    private readonly RemappingDriver _remapping;
    private readonly RemappingDomain _domain;
    private readonly LazyMemory _memory;
    private readonly List<LazyDevice> _all;
    private readonly LinkedList<ulong> _reached = [];
    private readonly Dictionary<ulong, LinkedListNode<ulong>> _pages = [];
    private readonly Dictionary<Pasid, ProcessBinding> _processes = [];
    private readonly Gate _sharing = new();
    private readonly Gate _gate;
    private bool _isClosed;

    internal LazyDevice(VirtualMachine machine, SourceId source, RemappingDomain domain)
    {
        (_machine, Source, _domain, _memory) = (machine, source, domain, machine.Memory.Lazy!);
        (_remapping, _all, _gate) = (machine.Host.Remapping, machine.LazyDevices, machine.LazyGate);
        _all.Add(this);
    }

    /// <summary>The device.</summary>
    public SourceId Source { get; }

    /// <summary>How many pages it reaches.</summary>
    public int Pages => _pages.Count;

    /// <summary>How many pages were taken back from it to make room.</summary>
    public ulong TakenBack { get; private set; }

    /// <inheritdoc/>
    public async ValueTask<PageResponseCode> Supply(PageRequestGroup group)
    {
        foreach (PageRequestDescriptor page in group.Pages)
        {
            if (!await TryMap(new(page.Address.Value)))
                return PageResponseCode.InvalidRequest;
        }

        return PageResponseCode.Success;
    }

    /// <summary>Lets a process of the guest share its address space with the device: its page table, on top of the VM's memory.</summary>
    /// <param name="pasid">The PASID, from 1 on.</param>
    /// <param name="pageTable">The process's top table, of four levels, in guest-physical memory.</param>
    /// <param name="guest">The guest's own handler of page requests, for pages that its page table lacks.</param>
    /// <returns>As of <see cref="ProcessSpaces.Bind"/>; <see cref="DmaRefusal.NotAssigned"/> where the device is on its way back.</returns>
    public async ValueTask<DmaRefusal> Share(Pasid pasid, GuestPhysicalAddress pageTable, IPageSupplier guest)
    {
        await _sharing.Enter();
        try
        {
            if (_isClosed)
                return DmaRefusal.NotAssigned;
            if (!_machine.Memory.Contains(pageTable, FrameSize.Page4K.Bytes))
                return DmaRefusal.BadRange;
            (ProcessBinding? binding, DmaRefusal refusal) = await _remapping.Processes!.Bind(Source, pasid, pageTable, new() { Host = _domain });
            if (binding is null)
                return refusal;
            _processes.Add(pasid, binding);
            await _remapping.PageRequests!.Serve(Source, pasid, new NestedPages(this, _machine.Cpu, pageTable, guest));
            return DmaRefusal.None;
        }
        finally
        {
            _sharing.Leave();
        }
    }

    /// <summary>The guest changed the page table of a process: pages were taken away, or lost a right.</summary>
    /// <returns><see cref="DmaRefusal.NotMapped"/> where the PASID is not shared.</returns>
    public async ValueTask<DmaRefusal> Invalidate(Pasid pasid, Iova address, ulong length)
    {
        if (!_processes.TryGetValue(pasid, out ProcessBinding? binding))
            return DmaRefusal.NotMapped;
        if (length == 0 || length - 1 > ulong.MaxValue - address.Value)
            return DmaRefusal.BadRange;
        await binding.Invalidate(address, length);
        return DmaRefusal.None;
    }

    /// <summary>Ends the sharing with a process; when it completes, the device does not reach it any more.</summary>
    /// <returns><see cref="DmaRefusal.NotMapped"/> where the PASID is not shared.</returns>
    public async ValueTask<DmaRefusal> Unshare(Pasid pasid)
    {
        await _sharing.Enter();
        try
        {
            if (!_processes.Remove(pasid, out ProcessBinding? binding))
                return DmaRefusal.NotMapped;
            await binding.Unbind();
            return DmaRefusal.None;
        }
        finally
        {
            _sharing.Leave();
        }
    }

    /// <summary>Makes a page of the VM's memory reachable; <c>false</c> where it is none, or no frame can be had for it.</summary>
    internal async ValueTask<bool> TryMap(GuestPhysicalAddress address)
    {
        GuestPhysicalAddress page = new(address.Value & ~0xFFFul);
        if (!_machine.Memory.Contains(page, FrameSize.Page4K.Bytes))
            return false;
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return false;
            if (_pages.ContainsKey(page.Page))
                return true;
            while (_memory.DevicePages >= _memory.DeviceFramesMax)
                await _all.MaxBy(static device => device.Pages)!.TakeBackFirst();
            if (!_memory.TryHold(page, out PhysicalAddress frame))
                return false;
            _machine.Host.Cpu.Processor.Charge(Cost.PageFault);
            if (await _domain.Map(new(page.Value), new(frame.Value), FrameSize.Page4K.Bytes, DmaDirection.Bidirectional) == DmaRefusal.None)
            {
                _pages.Add(page.Page, _reached.AddLast(page.Page));
                return true;
            }

            _memory.LetGo(page);
            return false;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Lets the device ask from now on.</summary>
    internal ValueTask Start() => _remapping.PageRequests!.Serve(Source, null, this);

    /// <summary>Takes everything back: processes, then pages. The device sends nothing any more.</summary>
    internal async ValueTask Close()
    {
        // What the guest began to share is shared before this goes on, and it shares nothing from here on.
        await _sharing.Enter();
        _isClosed = true;
        _sharing.Leave();
        foreach (Pasid pasid in _processes.Keys.ToArray())
            _ = await Unshare(pasid);
        await _remapping.PageRequests!.Cease(Source, null);
        await _gate.Enter();
        while (_reached.Count != 0)
            await TakeBackFirst();
        _ = _all.Remove(this);
        _gate.Leave();
    }

    /// <summary>Takes one page back, where the device reaches it; it may ask for it again.</summary>
    internal async ValueTask TakeBack(GuestPhysicalAddress page)
    {
        await _gate.Enter();
        try
        {
            if (_pages.TryGetValue(page.Page, out LinkedListNode<ulong>? place))
                await TakeBack(place);
        }
        finally
        {
            _gate.Leave();
        }
    }

    private ValueTask TakeBackFirst() => TakeBack(_reached.First!);

    private async ValueTask TakeBack(LinkedListNode<ulong> place)
    {
        ulong page = place.Value;
        _reached.Remove(place);
        DmaRefusal refusal = await _domain.Unmap(new(page << 12), FrameSize.Page4K.Bytes);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"Page {page:X}h of {_machine.Name} cannot be taken back from {Source}: {refusal}.");

        // Only now that neither the unit nor the device knows where it was.
        _ = _pages.Remove(page);
        _memory.LetGo(new(page << 12));
        TakenBack++;
    }
}
