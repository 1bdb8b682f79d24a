using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>The devices that all models have, and the work that a guest does with them: the same bytes, keys and sounds each time.</summary>
internal sealed class ModelWork
{
    private const int DiskBytes = 1 << 20;
    private const int Strokes = 24;
    private const int SoundMilliseconds = 1000;
    private const int Rate = 48_000;
    private const ulong MillisecondNs = 1_000_000;

    private readonly ModelWorld _world;
    private readonly byte[] _content = new byte[DiskBytes];
    private readonly byte[] _original;
    private readonly Random _random;
    private readonly KeyboardDevice _keyboard;
    private readonly PcmRecording _heard = new(frameBytes: 4);
    private readonly AudioSinkDevice _speaker;
    private readonly AudioSourceDevice _microphone;

    // When keys moved that the guest has not heard of yet.
    private readonly Queue<ulong> _moved = new();

    /// <summary>Plugs the devices in.</summary>
    /// <param name="world">The world, not started yet.</param>
    /// <param name="seed">What contents and times come from.</param>
    public ModelWork(ModelWorld world, ulong seed)
    {
        _world = world;
        _random = new((int)seed);
        _random.NextBytes(_content);
        _original = [.. _content];
        _ = world.Plug(new MassStorageDevice(new MemoryDiskImage(_content, isWritable: true)));
        _keyboard = world.Plug(new KeyboardDevice(world.Host.Loop));
        _speaker = world.Plug(new AudioSinkDevice(world.Host.Loop, _heard));
        _microphone = world.Plug(new AudioSourceDevice(world.Host.Loop, new SineWave(hertz: 440), new() { Channels = 1 }));
    }

    /// <summary>Does all of it in a guest.</summary>
    /// <param name="usb">The guest's controller.</param>
    /// <param name="measure">Given the name of each piece of work and the work itself.</param>
    /// <param name="watch">Given one small read, to be looked at closely.</param>
    public async Task Run(IUsbHostController usb, Func<string, Func<Task<ModelOutcome>>, Task> measure, Func<Func<Task>, Task> watch)
    {
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1));
        KeyboardDriver keys = await KeyboardDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 2));
        AudioDriver speaker = AudioDriver.Find(await UsbDeviceHandle.Enumerate(usb, port: 3));
        AudioDriver microphone = AudioDriver.Find(await UsbDeviceHandle.Enumerate(usb, port: 4));
        MemoryBuffer buffer = usb.Memory.Allocate(DiskBytes);
        await measure("read 1 MiB", () => Read(disk, buffer));
        await measure("write 1 MiB", () => Write(disk, buffer));
        await measure($"{Strokes} keys", () => Type(keys));
        await measure("play 1 s", () => Play(speaker));
        await measure("record 1 s", () => Record(microphone));
        MemoryBuffer small = buffer.Slice(0, 4096);
        await watch(() => disk.Read(0, small).AsTask());
    }

    private async Task<ModelOutcome> Read(MassStorageDriver disk, MemoryBuffer buffer)
    {
        await disk.Read(0, buffer);
        byte[] read = new byte[DiskBytes];
        buffer.Read(0, read);
        return new(read, read.AsSpan().SequenceEqual(_original));
    }

    private async Task<ModelOutcome> Write(MassStorageDriver disk, MemoryBuffer buffer)
    {
        byte[] written = new byte[DiskBytes];
        _random.NextBytes(written);
        buffer.Write(0, written);
        await disk.Write(0, buffer);
        return new([.. _content], _content.AsSpan().SequenceEqual(written));
    }

    // Somebody hits a key now and then. A transfer waits for the key: latency is from the key to the guest that knows of it.
    private async Task<ModelOutcome> Type(KeyboardDriver keys)
    {
        KeyUsage[] struck = [.. Enumerable.Range(0, Strokes).Select(_ => (KeyUsage)((int)KeyUsage.A + _random.Next(26)))];
        TransferLog latency = new();
        Strike(struck, 0);
        StringBuilder seen = new();
        for (int events = 0; events < 2 * Strokes; events++)
        {
            if (await keys.Next(timeoutNs: 10_000 * MillisecondNs) is not { } key)
                break;
            seen.Append(key.Key).Append(key.IsDown ? '+' : '-');
            latency.Add(_moved.Dequeue(), _world.Machine.Cpu.Processor.NowNs, KeyboardReport.Size);
        }

        string expected = string.Concat(struck.Select(key => $"{key}+{key}-"));
        return new(Encoding.ASCII.GetBytes(seen.ToString()), seen.ToString() == expected) { Latency = latency };
    }

    private void Strike(KeyUsage[] struck, int index)
    {
        if (index == struck.Length)
            return;
        ulong pauseNs = (ulong)_random.Next(15_000_000, 45_000_000);
        ulong heldNs = (ulong)_random.Next(15_000_000, 30_000_000);
        _ = _world.Host.Loop.Schedule(pauseNs, () => Move(() => _keyboard.Press(struck[index])));
        _ = _world.Host.Loop.Schedule(pauseNs + heldNs, () =>
        {
            Move(() => _keyboard.Release(struck[index]));
            Strike(struck, index + 1);
        });
    }

    private void Move(Func<bool> key)
    {
        if (key())
            _moved.Enqueue(_world.Host.Loop.NowNs);
    }

    private async Task<ModelOutcome> Play(AudioDriver driver)
    {
        AudioStream stream = await driver.Start(Rate);
        byte[] music = new byte[SoundMilliseconds * Rate / 1000 * driver.FrameBytes];
        new SineWave(hertz: 880).Read(music, driver.Channels, Rate);
        await stream.Play(music);
        await stream.Drain();

        // What is on its way arrives, and is heard.
        await _world.Machine.Cpu.Processor.Delay(100 * MillisecondNs);
        await driver.Stop();
        byte[] heard = [.. _heard.Samples.Take(music.Length)];
        ulong missed = (_speaker.FramesSilent + _speaker.FramesDropped + (Rate / 1000) - 1) / (Rate / 1000);
        return new(heard, heard.AsSpan().SequenceEqual(music), SoundMilliseconds, missed);
    }

    private async Task<ModelOutcome> Record(AudioDriver driver)
    {
        AudioStream stream = await driver.Start(Rate);
        byte[] recorded = new byte[SoundMilliseconds * Rate / 1000 * driver.FrameBytes];
        await stream.Record(recorded);
        ulong lost = _microphone.FramesLost;
        await driver.Stop();
        byte[] expected = new byte[recorded.Length];
        new SineWave(hertz: 440).Read(expected, driver.Channels, Rate);
        return new(recorded, recorded.AsSpan().SequenceEqual(expected), SoundMilliseconds, (lost + (Rate / 1000) - 1) / (Rate / 1000));
    }
}
