using System.Numerics;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>A merge engine merges: the VMM tells it where the schedules of VMs are, and looks at none of them.</summary>
internal sealed class EngineMerger : IMerger
{
    // Nobody says when a controller is pulled out.
    private const ulong WatchNs = 4_000_000;

    private readonly Host _host;
    private readonly MergedEhci _hardware;
    private readonly MergeEngineDriver _engine;
    private readonly MergeDrive _drive;
    private readonly MergedGuests<FetchedGuest> _guests;
    private readonly List<Assignment> _lanes = [];

    private ulong _watchedNs;

    private EngineMerger(Host host, MergedEhci hardware, MergeEngineDriver engine, RemappingDomain domain)
    {
        (_host, _hardware, _engine, Domain) = (host, hardware, engine, domain);
        (_drive, _guests) = (new(host.Loop, hardware), new(engine.SlotCount));
    }

    /// <inheritdoc/>
    public RemappingDomain Domain { get; }

    /// <inheritdoc/>
    public (uint Segment, uint FrameList, uint Ring) Lists =>
        (_engine[MergeEngineOffsets.LinkSegment], _engine[MergeEngineOffsets.LinkFrames], _engine[MergeEngineOffsets.LinkHead]);

    /// <inheritdoc/>
    public int MachinesMax => Math.Min(_guests.ByNumber.Length, MergedUsbController.MachinesMax);

    /// <inheritdoc/>
    public MergedPicture? Picture => null;

    /// <summary>Takes the engine of a controller over, with the functions under whose names it reaches memory.</summary>
    /// <returns><c>null</c> where there is none, or somebody has one of those functions.</returns>
    public static EngineMerger? TryOpen(Host host, RealFunction real, MergedEhci hardware, MergeOptions options)
    {
        if (MergeEngineDriver.TryOpen(real, host.Cpu.Processor) is not { } engine)
            return null;
        Assignment[] lanes = [.. Enumerable.Range(0, engine.SlotCount).Select(slot => host.AssignmentOf(engine.RequesterOf(slot)))];
        if (!Array.TrueForAll(lanes, static lane => lane is { State: AssignmentState.Host, Driver: null }))
            return null;
        EngineMerger merger = new(host, hardware, engine, host.Remapping.CreateDomain());
        foreach (Assignment lane in lanes)
        {
            lane.Driver = new LaneHolder();
            merger._lanes.Add(lane);
        }

        return merger;
    }

    /// <inheritdoc/>
    public ulong DueNs() => _guests.All.Exists(static guest => guest.IsUrgent) ? 0 : Math.Min(_drive.RetryNs, _hardware.Clock.IsRunning ? _watchedNs + WatchNs : ulong.MaxValue);

    /// <inheritdoc/>
    public void Work()
    {
        _watchedNs = _host.Loop.NowNs;
        UsbStatus status = _hardware.Status;
        if ((status.Raw.Value & EhciRegisters.InterruptMask) != 0)
            _hardware.Acknowledge(status);

        // 1. What the engine has to say, and the ports.
        for (ulong left = _engine.Notices; left != 0; left &= left - 1)
            _guests.ByNumber[BitOperations.TrailingZeroCount(left)]?.Hear();
        foreach (FetchedGuest guest in _guests.All)
        {
            if (status.PortChange || guest.Ports.IsEnding)
                guest.Ports.Refresh();
        }

        // 2. What guests want. The controller runs before their frames are known, and they are told when all is on.
        Program();
        _ = _drive.Apply(Any(static guest => guest.Virtual.IsUp || !guest.IsStill), Any(static guest => guest.RunsAsync), Any(static guest => guest.RunsPeriodic));
        foreach (FetchedGuest guest in _guests.All)
            guest.Settle();
    }

    /// <inheritdoc/>
    public void StandStill()
    {
        _hardware.Clock.Stop(_host.Loop.NowNs);
        foreach (FetchedGuest guest in _guests.All)
            guest.Virtual.Die();
        Program();
    }

    /// <inheritdoc/>
    public int OwnerOf(byte real)
    {
        if (real == 0)
            return _engine.Peek(MergeEngineOffsets.AddressZero) is var owner && owner < _guests.ByNumber.Length ? (int)owner : -1;
        uint entry = _engine.Peek(MergeEngineOffsets.FirstAddress + (sizeof(uint) * real));
        return (AddressState)(entry >> 30) == AddressState.Free ? -1 : (int)(entry >> 8 & 0xFF);
    }

    /// <inheritdoc/>
    public async ValueTask<(MergedGuest?, AssignmentResult)> TryAdd(
        MergedUsbController controller, VirtualMachine machine, SourceId guestAddress, int number, uint ports) =>
        _guests.Add(await FetchedGuest.TryCreate(controller, _engine, machine, guestAddress, number, ports));

    /// <inheritdoc/>
    public void Remove(MergedGuest guest) => _guests.Remove(guest);

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        foreach (Assignment lane in _lanes)
            lane.Driver = null;
        await _host.Remapping.Release(Domain);
    }

    private void Program()
    {
        foreach (FetchedGuest guest in _guests.All)
            guest.Program();
    }

    private bool Any(Predicate<FetchedGuest> predicate) => _guests.All.Exists(predicate);

    /// <summary>Keeps a function of the engine with the host.</summary>
    private sealed class LaneHolder : IHostDriver
    {
        public ValueTask<bool> Release() => new(false);

        public ValueTask<bool> Take() => new(true);
    }
}
