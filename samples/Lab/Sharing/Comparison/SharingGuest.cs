using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>What one of several VMs does with its device, by the same drivers for every mechanism; and what came of it.</summary>
internal sealed class SharingGuest
{
    private const int DiskBytes = 256 * 1024;
    private const int ReadBytes = 16 * 1024;
    private const int Rate = 48_000;
    private const int SoundBytes = 768;

    private readonly SharingWorld _world;
    private readonly int _number;
    private readonly Random _random;
    private readonly byte[] _content;
    private readonly KeyboardDevice? _keyboard;
    private readonly AudioSourceDevice? _microphone;
    private readonly Queue<(ulong AtNs, KeyUsage Key, bool IsDown)> _moved = new();
    private readonly TransferLog _keys = new();
    private readonly TransferLog _transfers = new();
    private readonly List<byte> _recorded = [];
    private AudioStream? _sound;
    private long _dueBefore;
    private long _missedBefore;
    private bool _isCounting;
    private bool _isOver;

    /// <summary>Plugs its device in.</summary>
    /// <param name="world">The world, switched off.</param>
    /// <param name="number">Which VM, from 0.</param>
    /// <param name="shares">Whose devices are whose; its own is added.</param>
    public SharingGuest(SharingWorld world, int number, Dictionary<IUsbDevice, BusShare> shares)
    {
        (_world, _number) = (world, number);
        Task = world.Plan.Workload == SharingWorkload.Mix ? _mix[number % _mix.Length] : world.Plan.Workload;
        _random = world.Host.RandomFor($"work of VM {number + 1}");
        _content = Task == SharingWorkload.Bulk ? new byte[DiskBytes] : [];
        _random.NextBytes(_content);
        EventLoop loop = world.Host.Loop;
        IUsbDevice device = Task switch
        {
            SharingWorkload.Bulk => new MassStorageDevice(new MemoryDiskImage(_content)),
            SharingWorkload.Keyboard => _keyboard = new(loop),
            _ => _microphone = new(loop, new SineWave(hertz: 440)),
        };
        Share = new(isPeriodic: Task != SharingWorkload.Bulk);
        shares.Add(device, Share);
        world.Plug(number, device);
        Ready = new(loop);
        _transfers.Watcher = Watch;
    }

    private static readonly SharingWorkload[] _mix = [SharingWorkload.Bulk, SharingWorkload.Audio, SharingWorkload.Keyboard];

    /// <summary>What it does: one of the kinds of work, not the mix of them.</summary>
    public SharingWorkload Task { get; }

    /// <summary>What it has of the bus.</summary>
    public BusShare Share { get; private set; }

    /// <summary>Raised once it is at work, or failed to be.</summary>
    public Signal Ready { get; }

    /// <summary>What went wrong; empty where nothing did.</summary>
    public string Problem { get; private set; } = "";

    private long Missed => _sound is { } sound ? sound.PacketsLost + sound.IntervalsSkipped : 0;

    private long Due => _sound is { } sound ? sound.PacketsMoved + Missed : 0;

    /// <summary>Starts its drivers, and works until what it has is taken from it.</summary>
    public async Task Run()
    {
        try
        {
            (IUsbHostController usb, int port) = await _world.Start(_number);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(new WatchedUsb(usb, _transfers), port);
            await (Task switch
            {
                SharingWorkload.Bulk => Read(device),
                SharingWorkload.Keyboard => Listen(device),
                _ => Record(device),
            });
        }
        catch (DriverException exception)
        {
            Fail(exception.Message);
        }
    }

    /// <summary>From here on it counts; a keyboard is typed on.</summary>
    public void Begin()
    {
        _transfers.Clear();
        (_dueBefore, _missedBefore, _isCounting) = (Due, Missed, true);
        Share.Restart(_world.Host.Loop.NowNs, _transfers.UnderWay != 0);
        if (_keyboard is not null)
            Strike();
    }

    /// <summary>It does not count any more. What is under way may still arrive.</summary>
    /// <returns>What it came to.</returns>
    public SharingTally Stop()
    {
        _isCounting = false;
        return new(
            _transfers.Count,
            _transfers.Bytes,
            Task == SharingWorkload.Bulk ? [.. _transfers.All.Select(Length)] : [],
            [.. _keys.All.Select(Length)],
            (ulong)(Due - _dueBefore),
            (ulong)(Missed - _missedBefore),
            Share.Gap.MaxUntil(_world.Host.Loop.NowNs),
            Share.TimeNs);
    }

    /// <summary>What goes wrong from here on is no problem of the VM: its device is taken from it.</summary>
    public void Close()
    {
        _isOver = true;
        if (_moved.Count != 0)
            Problem = "a key was not heard";
        if (_microphone is { FramesLost: 0 } && Missed == 0 && !IsRecordedWhole())
            Problem = "it recorded other sounds than there were";
    }

    private static ulong Length((ulong StartNs, ulong EndNs, int Bytes) transfer) => transfer.EndNs - transfer.StartNs;

    private async Task Read(UsbDeviceHandle device)
    {
        MassStorageDriver disk = await MassStorageDriver.Start(device);
        MemoryBuffer buffer = device.Controller.Memory.Allocate(ReadBytes);
        byte[] found = new byte[ReadBytes];
        Ready.Raise();
        for (int at = 0; ; at = (at + ReadBytes) % DiskBytes)
        {
            await disk.Read((ulong)(at / disk.BlockBytes), buffer);
            buffer.Read(0, found);
            if (!found.AsSpan().SequenceEqual(_content.AsSpan(at, ReadBytes)))
                Fail("it read what is not on its disk");
        }
    }

    private async Task Record(UsbDeviceHandle device)
    {
        _sound = await AudioDriver.Find(device).Start(Rate);
        Ready.Raise();
        byte[] samples = new byte[SoundBytes];
        while (true)
        {
            await _sound.Record(samples);
            _recorded.AddRange(samples);
        }
    }

    private bool IsRecordedWhole()
    {
        byte[] expected = new byte[_recorded.Count];
        new SineWave(hertz: 440).Read(expected, 1, Rate);
        return _recorded.SequenceEqual(expected);
    }

    private async Task Listen(UsbDeviceHandle device)
    {
        KeyboardDriver keys = await KeyboardDriver.Start(device);
        Ready.Raise();
        while (await keys.Next() is { } heard)
        {
            ulong nowNs = _world.Host.Loop.NowNs;
            if (!_moved.TryDequeue(out (ulong AtNs, KeyUsage Key, bool IsDown) moved) || (heard.Key, heard.IsDown) != (moved.Key, moved.IsDown))
                Fail("it heard a key that nobody moved");
            else
                _keys.Add(moved.AtNs, nowNs, KeyboardReport.Size);
        }
    }

    private void Strike()
    {
        KeyUsage key = (KeyUsage)((int)KeyUsage.A + _random.Next(26));
        ulong pauseNs = (ulong)_random.Next(40_000_000, 120_000_000);
        ulong heldNs = (ulong)_random.Next(40_000_000, 80_000_000);
        _ = _world.Host.Loop.Schedule(pauseNs, () =>
        {
            if (!_isCounting)
                return;
            Move(key, isDown: true);
            _ = _world.Host.Loop.Schedule(heldNs, () =>
            {
                Move(key, isDown: false);
                Strike();
            });
        });
    }

    private void Move(KeyUsage key, bool isDown)
    {
        if (isDown ? _keyboard!.Press(key) : _keyboard!.Release(key))
            _moved.Enqueue((_world.Host.Loop.NowNs, key, isDown));
    }

    // Whoever has asked waits for the bus.
    private void Watch(string what, int bytes)
    {
        if (Task != SharingWorkload.Bulk)
            return;
        if (_transfers.UnderWay != 0)
            Share.Gap.Backlogged(_world.Host.Loop.NowNs);
        else
            Share.Gap.Idle();
    }

    private void Fail(string problem)
    {
        Problem = Problem.Length == 0 && !_isOver ? problem : Problem;
        Ready.Raise();
    }
}

/// <summary>What the work of one VM came to while it counted.</summary>
/// <param name="Transfers">Transfers that its drivers completed.</param>
/// <param name="Bytes">Data that they moved.</param>
/// <param name="TransferNs">How long each transfer of a disk took, in nanoseconds.</param>
/// <param name="KeyNs">How long it took from each key to the guest that knows of it, in nanoseconds.</param>
/// <param name="SlotsDue">Isochronous slots that were due.</param>
/// <param name="SlotsMissed">How many of them brought nothing.</param>
/// <param name="GapNs">The longest time without the bus while a disk had work, in nanoseconds.</param>
/// <param name="BusNs">Bus time, in nanoseconds.</param>
internal sealed record SharingTally(
    int Transfers, ulong Bytes, IReadOnlyList<ulong> TransferNs, IReadOnlyList<ulong> KeyNs, ulong SlotsDue, ulong SlotsMissed, ulong GapNs, ulong BusNs);
