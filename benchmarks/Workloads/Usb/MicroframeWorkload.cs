using Dma.Machine;

namespace Dma.Workloads;

/// <summary>Microframes of a controller, beside a loop on which one event happens in each.</summary>
/// <remarks>Idle, a guest has started the controller and asks nothing of it. Loaded, it plays, records, listens to a keyboard and reads a disk all the time.</remarks>
public sealed class MicroframeWorkload : Workload
{
    private const ulong MicroframeNs = 125_000;
    private const ulong GuestBytes = 4 << 20;

    private readonly UsbWorld _world;
    private readonly UsbLoad? _load;
    private readonly EventLoop _empty = new();
    private readonly ScheduledEvent _turn;

    /// <summary>A controller that a guest has started.</summary>
    /// <param name="controller">Which one.</param>
    /// <param name="isLoaded">Whether the guest has work for it.</param>
    public MicroframeWorkload(ControllerKind controller, bool isLoaded)
    {
        _turn = new(Turn);
        Turn();
        _world = new(controller, GuestBytes);
        _load = isLoaded ? new(_world) : null;
        _world.Loop.Run(_load is null ? _world.Start : _load.Start);
    }

    /// <inheritdoc/>
    public override ulong Baseline() => Run(_empty);

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        _load?.Strike();
        return Run(_world.Loop);
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        const int Batches = 8;
        UsbProgress before = _load?.Progress ?? default;
        for (int batch = 0; batch < Batches; batch++)
        {
            if (Compare((ulong)batch, Baseline(), Simulator()) is { } difference)
                return difference;
        }

        return _load?.FindShortage(before, Batches * OperationsPerBatch * MicroframeNs)
            ?? (_world.Faults == 0 ? null : $"The remapping unit refused {_world.Faults} accesses.");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _world.Dispose();
    }

    private static ulong Run(EventLoop loop)
    {
        ulong start = loop.NowNs;
        loop.RunFor(OperationsPerBatch * MicroframeNs);
        return (loop.NowNs - start) / MicroframeNs;
    }

    private void Turn() => _empty.Schedule(MicroframeNs, _turn);
}
