using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>One VM whose schedules a merge engine fetches from its memory: the VMM tells the engine where they are, and the VM what came of them.</summary>
internal sealed class FetchedGuest : MergedGuest
{
    private const uint AsyncBit = 1 << 0;
    private const uint PeriodicBit = 1 << 1;
    private const uint HoldZeroBit = 1 << 4;
    private const uint DoorbellBit = 1 << 6;
    private const uint ZeroMovedBit = 1 << 2;
    private const uint ShutBit = 1 << 3;

    private readonly MergeEngineDriver _engine;
    private readonly RealFunction _lane;
    private readonly RemappingDomain _domain;
    private readonly SourceId _source;
    private readonly Host _host;
    private readonly uint _cutOffsBefore;
    private uint _control;
    private (uint Segment, uint Frames, uint Shift) _lists;

    private FetchedGuest(
        MergedUsbController controller, MergeEngineDriver engine, VirtualMachine machine, int number, Lane lane, GuestSpace space, MergeStatistics statistics, uint ports)
        : base(controller, machine, number, space, statistics, ports, engine, readsAhead: false)
    {
        (_engine, _lane, _domain, _source, _host) = (engine, lane.Function, lane.Domain, lane.Source, machine.Host);
        engine[number, MergeEngineOffsets.Share] = Options.PeriodicShareNs;
        _cutOffsBefore = engine[number, MergeEngineOffsets.CutOffs];
        _lists = (engine[number, MergeEngineOffsets.Segment], engine[number, MergeEngineOffsets.Frames], engine[number, MergeEngineOffsets.Shift]);
    }

    /// <inheritdoc/>
    public override bool RunsAsync => (_control & AsyncBit) != 0;

    /// <inheritdoc/>
    public override bool RunsPeriodic => (_control & PeriodicBit) != 0;

    /// <summary>Gives a VM a virtual controller.</summary>
    /// <returns>The guest, or why not; nothing changed then.</returns>
    public static async ValueTask<(FetchedGuest?, AssignmentResult)> TryCreate(
        MergedUsbController controller, MergeEngineDriver engine, VirtualMachine machine, SourceId guestAddress, int number, uint ports)
    {
        AssignmentResult place = TryPlace(controller, machine, guestAddress, out ulong bar);
        if (!place.IsDone)
            return (null, place);
        Host host = machine.Host;
        MergeStatistics statistics = new();
        SourceId source = engine.RequesterOf(number);
        RemappingDomain domain = host.Remapping.CreateDomain();
        GuestSpace space = new(machine, domain, window: 0, statistics);
        if (!await space.TryOpen() || await host.Remapping.Attach(source, domain) != DmaRefusal.None)
        {
            await space.Close();
            await host.Remapping.Release(domain);
            ReturnPlace(controller, machine, bar);
            return (null, new(AssignmentRefusal.NotAllMapped, $"not all memory of {machine.Name} can be mapped"));
        }

        RealFunction lane = new(host, source, new(host.Configuration.Open(source)));
        FetchedGuest guest = new(controller, engine, machine, number, new(lane, domain, source), space, statistics, ports);
        lane.SetBusMaster(true);
        guest.Plug(guestAddress, bar);
        return (guest, AssignmentResult.Done);
    }

    /// <inheritdoc/>
    /// <remarks>Before its list runs, there is nothing to answer for; the bell is rung when it does.</remarks>
    public override void RingDoorbell()
    {
        if (RunsAsync && Virtual.WantsAsync)
            _engine[Number, MergeEngineOffsets.Control] = _control | DoorbellBit;
    }

    /// <inheritdoc/>
    public override void Tally() => Statistics.Unadmitted = _engine.Peek(Number, MergeEngineOffsets.CutOffs) - _cutOffsBefore;

    /// <summary>The engine hears what the guest wants of it.</summary>
    public void Program()
    {
        IsUrgent = false;
        bool async = Virtual.WantsAsync, periodic = Virtual.WantsPeriodic;
        (uint Segment, uint Frames, uint Shift) lists = ((uint)(Virtual.Segment >> 32), (uint)Virtual.FrameList, periodic ? (uint)FrameShift : _lists.Shift);
        if (lists.Segment != _lists.Segment)
            _engine[Number, MergeEngineOffsets.Segment] = lists.Segment;
        if (lists.Frames != _lists.Frames)
            _engine[Number, MergeEngineOffsets.Frames] = lists.Frames;
        if (lists.Shift != _lists.Shift)
            _engine[Number, MergeEngineOffsets.Shift] = lists.Shift;
        _lists = lists;
        if (async && !RunsAsync)
            _engine[Number, MergeEngineOffsets.Ring] = Virtual.AsyncListAddress;
        bool wasAsync = RunsAsync;
        uint control = (async ? AsyncBit : 0) | (periodic ? PeriodicBit : 0) | ((uint)Virtual.Command.FrameListSize << 2) | (Ports.IsEnding ? HoldZeroBit : 0);
        if (control == _control)
            return;
        _control = control;
        _engine[Number, MergeEngineOffsets.Control] = control | (async && !wasAsync && Virtual.IsRinging ? DoorbellBit : 0);
        if (wasAsync && !async)
            Virtual.AsyncListAddress = _engine[Number, MergeEngineOffsets.Ring];
    }

    /// <summary>What the engine has to say goes to the guest: what was written to its memory is there already.</summary>
    public void Hear()
    {
        uint status = _engine[Number, MergeEngineOffsets.Status];
        _engine[Number, MergeEngineOffsets.Status] = status;
        Virtual.Post((status & StatusBits.Transfer) != 0, (status & StatusBits.Error) != 0);
        if ((status & StatusBits.AsyncAdvance) != 0)
            Virtual.AnswerDoorbell();
        if ((status & StatusBits.HostSystemError) != 0)
            Virtual.Die();
        if ((status & ZeroMovedBit) != 0)
            Ports.Release();
        if ((status & ShutBit) != 0)
            ShutPorts();
    }

    /// <inheritdoc/>
    public override async ValueTask Release()
    {
        await base.Release();
        _lane.SetBusMaster(false);
        if (_host.Remapping.IsAttached(_source))
            await _host.Remapping.Detach(_source);
        await Space.Close();
        await _host.Remapping.Release(_domain);
    }

    private void ShutPorts()
    {
        uint ports = _engine[Number, MergeEngineOffsets.Shut];
        _engine[Number, MergeEngineOffsets.Shut] = ports;
        for (int port = 0; port < sizeof(uint) * 8; port++)
        {
            if ((ports >> port & 1) != 0)
                Ports.ShutByError(port);
        }
    }

    /// <summary>The way to the memory of the VM.</summary>
    private readonly record struct Lane(RealFunction Function, RemappingDomain Domain, SourceId Source);
}
