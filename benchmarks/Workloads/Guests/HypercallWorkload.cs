using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>A guest maps a page and unmaps it, by two hypercalls, beside the VMM that maps and unmaps the same page for itself.</summary>
/// <remarks>
/// The difference is what a guest's HAL and the VMM do about it: the books of both, the way out and back, the checks, the
/// walk of EPT and the pin.
/// </remarks>
public sealed class HypercallWorkload : Workload
{
    private const ulong PageBytes = 4096;
    private static readonly SourceId s_other = new(0, 9, 0);
    private static readonly Iova s_address = new(0x40_0000);

    private readonly GuestWorld _world = new();
    private readonly MemoryBuffer _buffer;
    private readonly PhysicalAddress _frame;
    private readonly RemappingDomain _domain;
    private readonly Signal _go;
    private readonly Func<bool> _isDone;
    private ulong _sum;
    private ulong _mapped;
    private ulong _end;

    /// <summary>A guest with a page to map.</summary>
    public HypercallWorkload()
    {
        Host host = _world.Host;
        _buffer = _world.Dma.Allocate((int)PageBytes);
        _frame = _world.Machine.Memory.Tables.Walk(_buffer.Address, EptRights.Read).Address;
        _domain = host.Remapping.CreateDomain(AddressWidth.Bits48);
        host.Loop.Run(() => host.Remapping.Attach(s_other, _domain).AsTask());
        _go = new(host.Loop);
        _isDone = () => _mapped == _end;
        host.Loop.Start(Serve);
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        for (int time = 0; time < OperationsPerBatch; time++)
        {
            Finish(_domain.Map(s_address, new(_frame.Value), PageBytes, DmaDirection.Bidirectional));
            Finish(_domain.Unmap(s_address, PageBytes));
            sum += s_address.Value;
        }

        return sum;
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        _end = _mapped + OperationsPerBatch;
        _go.Raise();
        return _world.Host.Loop.RunUntil(_isDone) ? _sum : throw new InvalidOperationException("The guest waits for something.");
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        RemappedPort port = _world.Host.Unit.Open(s_other), guest = _world.Host.Unit.Open(_world.Device.Source);
        DmaMapping mapping = _world.Host.Loop.Run(async () => (await _world.Dma.Map(_buffer, DmaDirection.Bidirectional)).Mapping);
        Finish(_domain.Map(s_address, new(_frame.Value), PageBytes, DmaDirection.Bidirectional));
        if (Compare(s_address.Value, Target(port, s_address), Target(guest, mapping.DeviceAddress)) is { } mapped)
            return mapped;
        Finish(_domain.Unmap(s_address, PageBytes));
        Finish(_world.Host.Loop.Run(async () => await _world.Dma.Unmap(mapping)));
        return Compare(s_address.Value, Target(port, s_address), Target(guest, mapping.DeviceAddress));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _world.Dispose();
    }

    private static ulong Target(RemappedPort port, Iova address) =>
        port.TryTranslate(address, write: true, out PhysicalAddress target) ? target.Value : FlatWalk.Fault;

    private static void Finish(ValueTask<DmaRefusal> call)
    {
        if (!call.IsCompletedSuccessfully)
            throw new InvalidOperationException("The remapping driver waits for the unit.");
        Finish(call.Result);
    }

    private static void Finish(DmaRefusal refusal)
    {
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"A page is not mapped or unmapped: {refusal}.");
    }

    // The guest's software: a batch each time it is told.
    private async Task Serve()
    {
        while (true)
        {
            _ = await _go.Wait();
            while (_mapped != _end)
            {
                DmaMapResult result = await _world.Dma.Map(_buffer, DmaDirection.Bidirectional);
                Finish(result.Refusal);
                Finish(await _world.Dma.Unmap(result.Mapping));
                _sum += result.Mapping.DeviceAddress.Value;
                _mapped++;
            }
        }
    }
}
