using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Workloads;

/// <summary>High-speed devices of every kind of transfer, and software in the guest that keeps them busy for ever.</summary>
/// <remarks>A speaker and a microphone with a packet in each microframe, a keyboard that is asked again and again, and a disk that takes what time is left.</remarks>
internal sealed class UsbLoad
{
    private const int Rate = 48_000;
    private const int DiskBytes = 1 << 20;
    private const int TransferBytes = MassStorageDriver.MaxCommandBytes;
    private const int BlockBytes = 512;
    private const int SoundMilliseconds = 32;
    private const ulong MicroframeNs = 125_000;
    private const ulong MillisecondNs = 1_000_000;

    private readonly UsbWorld _world;
    private readonly KeyboardDevice _keyboard;
    private AudioStream? _playing;
    private AudioStream? _recording;
    private long _keys;
    private long _diskBytes;
    private bool _isDown;

    /// <summary>Plugs the devices in.</summary>
    public UsbLoad(UsbWorld world)
    {
        _world = world;
        AudioOptions sound = new() { EveryMicroframe = true };
        _keyboard = new(world.Loop);
        world.Ports[0].Plug(new AudioSinkDevice(world.Loop, new Deaf(), sound));
        world.Ports[1].Plug(new AudioSourceDevice(world.Loop, new SineWave(), sound));
        world.Ports[2].Plug(_keyboard);
        world.Ports[3].Plug(new MassStorageDevice(new MemoryDiskImage(new byte[DiskBytes])));
    }

    /// <summary>How far it has come.</summary>
    public UsbProgress Progress => new(
        _playing!.PacketsMoved,
        _recording!.PacketsMoved,
        _playing.PacketsLost + _playing.IntervalsSkipped + _recording.PacketsLost + _recording.IntervalsSkipped,
        _keys,
        _diskBytes);

    /// <summary>Starts the guest, and all that it does; called on the loop.</summary>
    public async Task Start()
    {
        await _world.Start();
        AudioDriver speaker = AudioDriver.Find(await UsbDeviceHandle.Enumerate(_world.Driver, port: 1));
        AudioDriver microphone = AudioDriver.Find(await UsbDeviceHandle.Enumerate(_world.Driver, port: 2));
        KeyboardDriver keyboard = await KeyboardDriver.Start(await UsbDeviceHandle.Enumerate(_world.Driver, port: 3));
        MassStorageDriver disk = await _world.OpenDisk(port: 4);
        _playing = await speaker.Start(Rate);
        _recording = await microphone.Start(Rate);
        _world.Loop.Start(() => Play(new byte[Rate / 1000 * SoundMilliseconds * speaker.FrameBytes]));
        _world.Loop.Start(() => Record(new byte[Rate / 1000 * SoundMilliseconds * microphone.FrameBytes]));
        _world.Loop.Start(() => Listen(keyboard));
        _world.Loop.Start(() => Read(disk));

        // From here on every stream has its blocks queued.
        await _world.Driver.Processor.Delay(100 * MillisecondNs);
    }

    /// <summary>A key goes down, or up again.</summary>
    public void Strike()
    {
        _isDown = !_isDown;
        _ = _isDown ? _keyboard.Press(KeyUsage.A) : _keyboard.Release(KeyUsage.A);
    }

    /// <summary>Looks whether everything went on that should have in a stretch of time.</summary>
    /// <param name="before">How far it was when the time began.</param>
    /// <param name="timeNs">How long it was, in nanoseconds.</param>
    /// <returns>What fell behind; <c>null</c> where nothing did.</returns>
    public string? FindShortage(in UsbProgress before, ulong timeNs)
    {
        const ulong BytesInMillisecond = 20_000;
        UsbProgress after = Progress;
        long packets = (long)(timeNs / MicroframeNs);

        // Packets are counted by the block, so one block of them may be missing at the end.
        bool isSoundWell = after.Lost == before.Lost && after.Played - before.Played > packets / 2 && after.Recorded - before.Recorded > packets / 2;
        bool isRestWell = after.Keys > before.Keys && after.DiskBytes - before.DiskBytes > (long)(timeNs / MillisecondNs * BytesInMillisecond);
        return isSoundWell && isRestWell ? null : $"In {timeNs} ns it came from {before} to {after} only.";
    }

    private async Task Play(ReadOnlyMemory<byte> samples)
    {
        while (true)
            await _playing!.Play(samples);
    }

    private async Task Record(Memory<byte> samples)
    {
        while (true)
            await _recording!.Record(samples);
    }

    private async Task Listen(KeyboardDriver keyboard)
    {
        while (await keyboard.Next() is not null)
            _keys++;
    }

    private async Task Read(MassStorageDriver disk)
    {
        MemoryBuffer buffer = _world.Driver.Memory.Allocate(TransferBytes);
        for (int offset = 0; ; offset = (offset + TransferBytes) % DiskBytes)
        {
            await disk.Read((ulong)(offset / BlockBytes), buffer);
            _diskBytes += TransferBytes;
        }
    }

    /// <summary>Nobody hears the sound.</summary>
    private sealed class Deaf : IPcmOutput
    {
        public void Play(ReadOnlySpan<byte> samples)
        {
        }

        public void Silence(ulong frames)
        {
        }
    }
}
