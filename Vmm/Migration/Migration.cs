using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Moves a running VM to another computer: memory first, while it runs and its devices work; then what is left, while it stands still.</summary>
/// <remarks>
/// <code>
///   all pages | what was written | ... | devices go | what was written | ... | pause | what is left | resume there
///   '---------- guest runs, devices work ---------'  '-- guest runs --------'  '----- downtime ----'
/// </code>
/// Both computers live in one virtual time. What fails before the VM goes on on the other side is undone: there is nothing
/// left of it there, and it runs on here. After that it is here no more.
/// </remarks>
public sealed class Migration
{
    private readonly VirtualMachine _machine;
    private readonly Host _destination;
    private readonly MigrationLink _link;
    private readonly IGuestSoftware _software;
    private readonly MigrationOptions _options;
    private readonly DeviceHandover _devices;
    private readonly List<MigrationRound> _rounds = [];
    private readonly ulong _begunNs;
    private VirtualMachine? _target;
    private DirtyLog? _log;
    private ulong? _askedNs;
    private ulong? _pausedNs;

    private Migration(VirtualMachine machine, Host destination, MigrationLink link, IGuestSoftware software, MigrationOptions options)
    {
        (_machine, _destination, _link, _software, _options) = (machine, destination, link, software, options);
        _devices = new(machine, destination, options.Devices);
        _begunNs = machine.Host.Loop.NowNs;
    }

    private EventLoop Loop => _machine.Host.Loop;

    /// <summary>Moves a VM, or leaves everything as it was.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="destination">The other computer, booted, which shares the virtual time of the VM's own.</param>
    /// <param name="link">The way between them.</param>
    /// <param name="software">What runs in the VM.</param>
    /// <param name="options">What else is to be decided.</param>
    /// <exception cref="ArgumentException">The computers do not share their virtual time, or are the same.</exception>
    public static async ValueTask<MigrationReport> Run(
        VirtualMachine machine, Host destination, MigrationLink link, IGuestSoftware software, MigrationOptions? options = null)
    {
        if (destination == machine.Host || destination.Loop != machine.Host.Loop || link.Loop != destination.Loop)
            throw new ArgumentException("A VM moves between two computers, which share one virtual time.", nameof(destination));
        ArgumentOutOfRangeException.ThrowIfLessThan(options?.RoundsMax ?? 1, 1, nameof(options));
        Migration migration = new(machine, destination, link, software, options ?? new());
        (MigrationRefusal Refusal, string Reason)? failure = await migration.Move();
        return failure is { } reason ? await migration.Undo(reason.Refusal, reason.Reason) : await migration.Finish();
    }

    private async ValueTask<(MigrationRefusal, string)?> Move()
    {
        // 1. Nothing is begun that cannot be ended.
        if (!_machine.IsRunning)
            return (MigrationRefusal.NotRunning, $"{_machine} has ended");
        if (_machine.Memory.DirtyLog is not null)
            return (MigrationRefusal.Busy, $"what {_machine} writes is logged by somebody else");
        if (_devices.Check() is { } unfit)
            return unfit;
        if (!TryCreateTarget())
            return (MigrationRefusal.NoMemory, $"no memory is left there for {_machine}");

        // 2. All of it, then what was written meanwhile, while the guest runs and its devices write.
        _log = await DirtyLog.Start(_machine);
        PageSender sender = new(_machine, _target!, _link);
        SortedSet<ulong> left = [.. AllPages()];
        (MigrationRefusal, string)? failure = await CopyWhileItRuns(sender, MigrationRoundKind.Running, left);
        if (failure is not null)
            return failure;

        // 3. The devices. Their last writes are among what is left.
        if (_devices.IsNeeded)
        {
            failure = await HandOverDevices();
            if (failure is not null)
                return failure;
            left.UnionWith(await _log.Harvest());
            failure = await CopyWhileItRuns(sender, MigrationRoundKind.WithoutDevices, left);
            if (failure is not null)
                return failure;
        }

        // 4. The guest stands still: what is left, and its processor.
        return await CopyTheRest(sender, left);
    }

    // Rounds until what is left fits into the downtime, or they come to no end.
    private async ValueTask<(MigrationRefusal, string)?> CopyWhileItRuns(PageSender sender, MigrationRoundKind kind, SortedSet<ulong> left)
    {
        for (int round = 1; ; round++)
        {
            if (await sender.Send(kind, left) is not { } done)
                return Broken();
            _rounds.Add(done);
            if (!_machine.IsRunning)
                return (MigrationRefusal.NotRunning, $"{_machine} ended on the way");
            left.Clear();
            left.UnionWith(await _log!.Harvest());
            ulong time = sender.TimeOf(left.Count);
            if (time <= _options.DowntimeGoalNs || (round == _options.RoundsMax && time <= _options.DowntimeMaxNs))
                return null;
            if (round == _options.RoundsMax)
                return (MigrationRefusal.NotConverging, $"{left.Count} pages are left after {round} rounds");
        }
    }

    private async ValueTask<(MigrationRefusal, string)?> HandOverDevices()
    {
        _askedNs = Loop.NowNs;
        Task<bool> release = _software.ReleaseDevices().AsTask();
        bool isReleased = await InTime(release) && await release;
        if (!isReleased && !_options.ForcesDevices)
            return (MigrationRefusal.DeviceInUse, $"{_machine} does not let its devices go");
        if (await _devices.TakeAll() is { } stuck)
            return (MigrationRefusal.DeviceStuck, stuck);
        return await _devices.GiveAll(_target!) is { } refused ? (MigrationRefusal.DeviceRefused, refused) : null;
    }

    private async ValueTask<(MigrationRefusal, string)?> CopyTheRest(PageSender sender, SortedSet<ulong> left)
    {
        _pausedNs = Loop.NowNs;
        Task pause = _software.Pause().AsTask();
        if (!await InTime(pause))
            return (MigrationRefusal.NotPaused, $"{_machine} did not pause in time");
        _pausedNs = Loop.NowNs;
        left.UnionWith(await _log!.Harvest());
        if (await sender.Send(MigrationRoundKind.Stopped, left) is not { } done)
            return Broken();
        _rounds.Add(done);
        if (!_machine.IsRunning)
            return (MigrationRefusal.NotRunning, $"{_machine} ended on the way");
        new ProcessorState(_machine.Cpu).Restore(_target!.Cpu);
        return null;
    }

    // From here on it is the other computer's.
    private async ValueTask<MigrationReport> Finish()
    {
        _software.Resume(_target!);
        MigrationReport report = Report(MigrationRefusal.None, "done", _target);
        await _log!.Stop();
        await _machine.Host.Destroy(_machine);
        return report with { TotalNs = Loop.NowNs - _begunNs };
    }

    private async ValueTask<MigrationReport> Undo(MigrationRefusal refusal, string reason)
    {
        if (_target is { } target)
            await _destination.Destroy(target);
        if (_log is { } log)
            await log.Stop();
        if (await _devices.Return() is { } lost)
            reason += $"; {lost}";
        if (_machine.IsRunning && (_askedNs ?? _pausedNs) is not null)
            _software.Resume(_machine);
        return Report(refusal, reason, null);
    }

    private IEnumerable<ulong> AllPages()
    {
        for (ulong page = 0; page < _machine.Memory.Bytes / FrameSize.Page4K.Bytes; page++)
            yield return MemoryLayout.PageAt(page).Page;
    }

    private bool TryCreateTarget()
    {
        _target = _machine.Memory.Lazy is { } lazy
            ? _destination.TryCreateLazyMachine(_machine.Name, _machine.Memory.Bytes, lazy.FramesMax)
            : _destination.TryCreateMachine(_machine.Name, _machine.Memory.Bytes);
        if (_target is not { } target)
            return false;
        (target.Policy, target.PinnedPagesMax) = (_machine.Policy, _machine.PinnedPagesMax);
        (target.Delivery, target.Mapping) = (_machine.Delivery, _machine.Mapping);
        return true;
    }

    // A guest that does not answer is not waited for without end.
    private async ValueTask<bool> InTime(Task step)
    {
        Signal answered = new(Loop);
        Loop.Start(async () =>
        {
            await step;
            answered.Raise();
        });
        return await answered.Wait(_options.GuestTimeoutNs);
    }

    private (MigrationRefusal, string) Broken() => _link.IsCut
        ? (MigrationRefusal.LinkBroken, "the link broke")
        : (MigrationRefusal.NoMemory, $"{_machine} was ended on the other computer");

    private MigrationReport Report(MigrationRefusal refusal, string reason, VirtualMachine? machine) => new(
        refusal, reason, machine, _rounds, Loop.NowNs - _begunNs,
        _pausedNs is { } paused ? Loop.NowNs - paused : 0,
        _askedNs is { } asked ? Loop.NowNs - asked : 0);
}
