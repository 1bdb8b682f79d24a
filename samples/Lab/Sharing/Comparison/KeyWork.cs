using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Somebody types on the keyboard of a VM.</summary>
internal sealed class KeyWork : SharingWork
{
    private readonly KeyboardDevice _keyboard;
    private readonly Random _random;
    private readonly Queue<(ulong AtNs, KeyUsage Key, bool IsDown)> _moved = new();
    private readonly List<ulong> _keyNs = [];
    private bool _isCounting;

    /// <summary>A keyboard.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="random">Which keys are typed, and when.</param>
    public KeyWork(EventLoop loop, Random random)
        : this(loop, random, new(loop))
    {
    }

    private KeyWork(EventLoop loop, Random random, KeyboardDevice keyboard)
        : base(loop, keyboard, isPeriodic: true) => (_random, _keyboard) = (random, keyboard);

    /// <inheritdoc/>
    public override IReadOnlyList<ulong> KeyNs => _keyNs;

    /// <inheritdoc/>
    public override bool IsWaiting => _moved.Count != 0;

    /// <inheritdoc/>
    public override async Task Run(UsbDeviceHandle device)
    {
        KeyboardDriver keys = await KeyboardDriver.Start(device);
        Ready.Raise();
        while (await keys.Next() is { } heard)
        {
            if (!_moved.TryDequeue(out (ulong AtNs, KeyUsage Key, bool IsDown) moved) || (heard.Key, heard.IsDown) != (moved.Key, moved.IsDown))
                Fail("it heard a key that nobody moved");
            else
                _keyNs.Add(Loop.NowNs - moved.AtNs);
        }
    }

    /// <inheritdoc/>
    public override void Begin()
    {
        _isCounting = true;
        Strike();
    }

    /// <inheritdoc/>
    public override void Stop() => _isCounting = false;

    /// <inheritdoc/>
    protected override string Check() => IsWaiting ? "a key was not heard" : "";

    private void Strike()
    {
        KeyUsage key = (KeyUsage)((int)KeyUsage.A + _random.Next(26));
        ulong pauseNs = (ulong)_random.Next(40_000_000, 120_000_000);
        ulong heldNs = (ulong)_random.Next(40_000_000, 80_000_000);
        _ = Loop.Schedule(pauseNs, () =>
        {
            if (!_isCounting)
                return;
            Move(key, isDown: true);
            _ = Loop.Schedule(heldNs, () =>
            {
                Move(key, isDown: false);
                Strike();
            });
        });
    }

    private void Move(KeyUsage key, bool isDown)
    {
        if (isDown ? _keyboard.Press(key) : _keyboard.Release(key))
            _moved.Enqueue((Loop.NowNs, key, isDown));
    }
}
