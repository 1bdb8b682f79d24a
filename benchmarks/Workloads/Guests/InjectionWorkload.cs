using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>Interrupts of an assigned device until the guest has them, one after the other, beside doublewords that a requester writes to pages in the IOTLB.</summary>
public sealed class InjectionWorkload : Workload
{
    private const int Pages = 64;
    private const ulong PatienceNs = 1_000_000;
    private static readonly WorkingSet s_pages = new(Pages, 12);

    private readonly RemappedWorld _translating = new(s_pages, HardwareProfile.Named("friendly"));
    private readonly AddressStream _addresses = new(s_pages, RemappedWorld.FirstAddress);
    private readonly GuestWorld _world;
    private readonly Signal _taken;
    private readonly Func<bool> _isTaken;
    private ulong _raised;

    /// <summary>A guest whose device interrupts.</summary>
    /// <param name="delivery">How interrupts get into it.</param>
    public InjectionWorkload(InterruptDelivery delivery)
    {
        _world = new(delivery);
        _taken = _world.Machine.Cpu.Vector(GuestWorld.Vector);
        _raised = _taken.Raised;
        _isTaken = () => _taken.Raised == _raised;
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        Span<byte> data = stackalloc byte[sizeof(uint)];
        data.Clear();
        ulong done = 0;
        foreach (ulong address in _addresses.NextBatch())
            done += _translating.Port.Write(new(address), data) == DmaStatus.Success ? 1ul : 0;
        return done;
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        ulong done = 0;
        for (int time = 0; time < OperationsPerBatch; time++)
            done += Interrupt() ? 1ul : 0;
        return done;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        ulong injections = _world.Machine.Cpu.Processor.Meter[Cost.InterruptInjection], notifications = _world.Machine.Notifications;
        if (Compare(OperationsPerBatch, Baseline(), Simulator()) is { } difference)
            return difference;
        ulong delivered = _world.Machine.Cpu.Processor.Meter[Cost.InterruptInjection] - injections + (_world.Machine.Notifications - notifications);
        return Compare(OperationsPerBatch, OperationsPerBatch, delivered);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _translating.Dispose();
        _world.Dispose();
    }

    private bool Interrupt()
    {
        _raised++;
        _world.Device.Raise();
        bool isTaken = _world.Host.Loop.RunUntil(_isTaken, PatienceNs);

        // So that the guest ends it, and the VMM is ready for the next one.
        _world.Host.Loop.RunFor(PatienceNs);
        return isTaken;
    }
}
