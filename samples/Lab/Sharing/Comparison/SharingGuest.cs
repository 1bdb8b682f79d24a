using Dma.Drivers;

namespace Dma.Lab;

/// <summary>One of several VMs at work, by the same drivers for every mechanism; and what came of it.</summary>
internal sealed class SharingGuest
{
    private static readonly SharingWorkload[] _mix = [SharingWorkload.Bulk, SharingWorkload.Audio, SharingWorkload.Keyboard];

    private readonly SharingWorld _world;
    private readonly int _number;
    private readonly TransferLog _transfers = new();
    private (ulong Due, ulong Missed) _slotsBefore;

    /// <summary>Plugs its device in.</summary>
    /// <param name="world">The world, switched off.</param>
    /// <param name="number">Which VM, from 0.</param>
    public SharingGuest(SharingWorld world, int number)
    {
        (_world, _number) = (world, number);
        Random random = world.Host.RandomFor($"work of VM {number + 1}");
        Work = (world.Plan.Workload == SharingWorkload.Mix ? _mix[number % _mix.Length] : world.Plan.Workload) switch
        {
            SharingWorkload.Bulk => new DiskWork(world.Host.Loop, random),
            SharingWorkload.Keyboard => new KeyWork(world.Host.Loop, random),
            SharingWorkload.Video => new VideoWork(world.Host.Loop),
            _ => new SoundWork(world.Host.Loop),
        };
        Share = new(Work.IsPeriodic);
        world.Plug(number, Work.Device);
        _transfers.Watcher = Watch;
    }

    /// <summary>What it does.</summary>
    public SharingWork Work { get; }

    /// <summary>The transfers of its driver since <see cref="Begin"/>: when each began and ended, and how many bytes it moved.</summary>
    public IReadOnlyList<(ulong StartNs, ulong EndNs, int Bytes)> Transfers => _transfers.All;

    /// <summary>What it has of the bus.</summary>
    public BusShare Share { get; }

    /// <summary>Starts its drivers, and works until what it has is taken from it.</summary>
    public async Task Run()
    {
        try
        {
            (IUsbHostController usb, int port) = await _world.Start(_number);
            await Work.Run(await UsbDeviceHandle.Enumerate(new WatchedUsb(usb, _transfers), port));
        }
        catch (DriverException exception)
        {
            Work.Fail(exception.Message.TrimEnd('.'));
        }
    }

    /// <summary>From here on it counts.</summary>
    public void Begin()
    {
        _transfers.Clear();
        _slotsBefore = Work.Slots;
        Share.Restart(_world.Host.Loop.NowNs, _transfers.UnderWay != 0);
        Work.Begin();
    }

    /// <summary>It does not count any more. What is under way may still arrive.</summary>
    /// <returns>What it came to.</returns>
    public SharingTally Stop()
    {
        (ulong due, ulong missed) = Work.Slots;
        SharingTally tally = new(
            _transfers.Count,
            _transfers.Bytes,
            Work is DiskWork ? [.. _transfers.All.Select(transfer => transfer.EndNs - transfer.StartNs)] : [],
            [.. Work.KeyNs],
            due - _slotsBefore.Due,
            missed - _slotsBefore.Missed,
            Work.IsInFull,
            Share.Gap.MaxUntil(_world.Host.Loop.NowNs));
        Work.Stop();
        return tally;
    }

    // Whoever has asked waits for the bus.
    private void Watch(string what, int bytes)
    {
        if (Share.IsPeriodic)
            return;
        if (_transfers.UnderWay != 0)
            Share.Gap.Backlogged(_world.Host.Loop.NowNs);
        else
            Share.Gap.Idle();
    }
}
