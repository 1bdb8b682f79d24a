using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A hub with four devices of three speeds, and software that uses all of them at the same time.</summary>
/// <param name="loop">The time that they live in.</param>
internal sealed class ManyDevices(EventLoop loop)
{
    public const string Text = "All at once: 4 devices";

    private const ulong SecondNs = 1_000_000_000;
    private const ulong MillisecondNs = 1_000_000;
    private const int Rate = 48000;
    private const int Milliseconds = 120;

    private readonly KeyboardDevice _keyboard = new(loop, UsbSpeed.Low);
    private readonly PcmRecording _heard = new(frameBytes: 4);
    private readonly byte[] _content = Random(seed: 9, 200 * 512);

    /// <summary>What software got.</summary>
    public string Typed { get; private set; } = "";

    /// <summary>Plugs the hub in, with the devices on it.</summary>
    /// <param name="port">Where.</param>
    /// <param name="wrap">What stands between a device and its port, by the number of the port.</param>
    public void Plug(UsbPort port, Func<int, IUsbDevice, IUsbDevice>? wrap = null)
    {
        UsbHub hub = new(loop);
        IUsbDevice[] devices =
        [
            _keyboard,
            new AudioSinkDevice(loop, _heard, speed: UsbSpeed.Full),
            new AudioSourceDevice(loop, new SineWave(440), speed: UsbSpeed.High),
            new MassStorageDevice(new MemoryDiskImage(_content)),
        ];
        for (int index = 0; index < devices.Length; index++)
            hub.Downstream[index].Plug(wrap?.Invoke(index + 1, devices[index]) ?? devices[index]);
        port.Plug(hub);
    }

    /// <summary>Uses them all, checks what comes, and lets go of them, whatever happens.</summary>
    /// <exception cref="DriverException">A driver gave up.</exception>
    public async Task Use(IUsbHostController controller)
    {
        Stack<Func<ValueTask>> undo = new();
        try
        {
            UsbDeviceHandle hubDevice = await UsbDeviceHandle.Enumerate(controller, 1);
            undo.Push(hubDevice.Release);
            HubDriver hub = await HubDriver.Start(hubDevice);
            undo.Push(hub.Stop);
            List<UsbDeviceHandle> devices = [];
            for (int port = 1; port <= 4; port++)
            {
                devices.Add(await UsbDeviceHandle.Enumerate(hub, port));
                undo.Push(devices[^1].Release);
            }

            KeyboardDriver keys = await KeyboardDriver.Start(devices[0]);
            undo.Push(keys.Stop);
            AudioDriver speaker = AudioDriver.Find(devices[1]);
            undo.Push(speaker.Stop);
            AudioDriver microphone = AudioDriver.Find(devices[2]);
            undo.Push(microphone.Stop);
            MassStorageDriver disk = await MassStorageDriver.Start(devices[3]);
            undo.Push(disk.Stop);
            await UseAll(controller, keys, await speaker.Start(Rate), await microphone.Start(Rate), disk);
        }
        finally
        {
            while (undo.TryPop(out Func<ValueTask>? step))
                await Quietly(step);
        }
    }

    private async Task UseAll(IUsbHostController controller, KeyboardDriver keys, AudioStream playing, AudioStream recording, MassStorageDriver disk)
    {
        byte[] music = Tone(880, channels: 2);
        byte[] voice = new byte[Tone(440, channels: 1).Length];
        _keyboard.Type(Text);
        Task[] all = [Listen(keys), Play(playing, music), recording.Record(voice).AsTask(), Read(controller, disk)];
        await Task.WhenAll(all);
        await controller.Processor.Delay(20 * MillisecondNs);
        Assert.Equal(Text, Typed);
        Assert.Equal(Tone(440, channels: 1), voice);
        Assert.Equal((0, 0, 0, 0), (playing.PacketsLost, playing.IntervalsSkipped, recording.PacketsLost, recording.IntervalsSkipped));
    }

    private static async Task Play(AudioStream playing, byte[] music)
    {
        await playing.Play(music);
        await playing.Drain();
    }

    private async Task Listen(KeyboardDriver keys)
    {
        while (Typed.Length < Text.Length && await keys.Next(SecondNs) is { } key)
        {
            char character = UsLayout.CharacterOf(key.Key, (key.Modifiers & (KeyModifiers.LeftShift | KeyModifiers.RightShift)) != 0);
            if (key.IsDown && character != '\0')
                Typed += character;
        }
    }

    private async Task Read(IUsbHostController controller, MassStorageDriver disk)
    {
        MemoryBuffer buffer = controller.Memory.Allocate(_content.Length);
        byte[] read = new byte[_content.Length];
        try
        {
            if (disk.BlockCount * (ulong)disk.BlockBytes == (ulong)_content.Length)
                await disk.Read(0, buffer);
            buffer.Read(0, read);
        }
        finally
        {
            Assert.Equal(DmaRefusal.None, controller.Memory.Free(buffer));
        }

        Assert.Equal(_content, read);
    }

    private static async Task Quietly(Func<ValueTask> step)
    {
        try
        {
            await step();
        }
        catch (DriverException)
        {
            // A device that is gone cannot be told; the host's side is closed all the same.
        }
    }

    private static byte[] Tone(int hertz, int channels)
    {
        byte[] samples = new byte[Rate * Milliseconds / 1000 * channels * 2];
        new SineWave(hertz).Read(samples, channels, Rate);
        return samples;
    }

    private static byte[] Random(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
