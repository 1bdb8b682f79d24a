using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>Mapping a page, one access of the device to it, and unmapping it again with its invalidation through the queue.</summary>
/// <remarks>
/// Every second page of a stretch stays mapped: these are the live entries. Those between them come and go, in random
/// order. The baseline stores the entry, fills one slot of a table, clears the entry and clears the slot.
/// </remarks>
public sealed class MapWorkload : Workload
{
    private const int PageBytes = 4096;
    private const ulong FirstTarget = 4ul << 30;
    private static readonly SourceId s_source = new(0, 2, 0);

    private readonly Host _host;
    private readonly RemappingDomain _domain;
    private readonly RemappedPort _port;
    private readonly FlatMemory _tables;
    private readonly FlatWalk _walk;
    private readonly ProbeTable _probe;
    private readonly AddressStream _forBaseline;
    private readonly AddressStream _forSimulator;

    /// <summary>A domain with some live entries.</summary>
    /// <param name="live">How many pages stay mapped, at least 1.</param>
    public MapWorkload(int live)
    {
        WorkingSet all = new(2 * live, 12);
        using (RemappedWorld world = new(all, HardwareProfile.Named("friendly")))
            _tables = new(world.Memory, RemappedWorld.TablesEnd);
        _walk = new(_tables, RemappedWorld.TopTable);
        _probe = new(_walk, 12);

        _host = new(new HostOptions());
        _host.Boot();
        _domain = _host.Remapping.CreateDomain(AddressWidth.Bits48);
        _host.Loop.Run(() => _host.Remapping.Attach(s_source, _domain).AsTask());
        _port = _host.Unit.Open(s_source);
        for (int page = 0; page < all.Pages; page++)
        {
            ulong address = RemappedWorld.FirstAddress + ((ulong)page * PageBytes);
            _walk.SetLeaf(address, 0);
            if (page % 2 != 0)
                continue;
            Map(address);
            _ = Use(address);
            _walk.SetLeaf(address, TargetOf(address) | 3);
            _ = _probe.Translate(address, 1);
        }

        _forBaseline = new(new(live, 13), RemappedWorld.FirstAddress + PageBytes, 2 * PageBytes);
        _forSimulator = _forBaseline.FromMiddle();
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        foreach (ulong address in _forBaseline.NextBatch())
            sum += BaselineCycle(address);
        return sum;
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        ulong sum = 0;
        foreach (ulong address in _forSimulator.NextBatch())
            sum += SimulatorCycle(address);
        return sum;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        foreach (ulong address in _forBaseline.All)
        {
            if (Compare(address, BaselineCycle(address), SimulatorCycle(address)) is { } difference)
                return difference;
        }

        // What was unmapped last is refused from then on, and its neighbour is not.
        ulong last = _forBaseline.All[^1];
        return Compare(last, _probe.Translate(last, 1), Use(last))
            ?? Compare(last - PageBytes, _probe.Translate(last - PageBytes, 1), Use(last - PageBytes));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _host.Dispose();
        _probe.Dispose();
        _tables.Dispose();
    }

    private static ulong TargetOf(ulong address) => FirstTarget + (address - RemappedWorld.FirstAddress);

    // The unit answers at once, so software never has to wait: anything else would be another workload.
    private static void Finish(ValueTask<DmaRefusal> call)
    {
        if (!call.IsCompletedSuccessfully || call.Result != DmaRefusal.None)
            throw new InvalidOperationException("The remapping driver refuses, or waits for the unit.");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong BaselineCycle(ulong address)
    {
        _walk.SetLeaf(address, TargetOf(address) | 3);
        ulong target = _probe.Translate(address, 1);
        _walk.SetLeaf(address, 0);
        _probe.Invalidate(address);
        return target;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong SimulatorCycle(ulong address)
    {
        Map(address);
        ulong target = Use(address);
        Finish(_domain.Unmap(new(address), PageBytes));
        return target;
    }

    private void Map(ulong address) =>
        Finish(_domain.Map(new(address), new(TargetOf(address)), PageBytes, DmaDirection.Bidirectional));

    private ulong Use(ulong address) =>
        _port.TryTranslate(new(address), write: false, out PhysicalAddress target) ? target.Value : FlatWalk.Fault;
}
