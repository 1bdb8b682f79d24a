using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Sound through the drivers: every sample arrives, in order and on time, at any rate and speed.</summary>
public abstract class AudioDriverTests
{
    private const ulong PatienceNs = 60_000_000_000;
    private const ulong MillisecondNs = 1_000_000;

    [Theory]
    [InlineData(UsbSpeed.High, false, 48000)]
    [InlineData(UsbSpeed.High, true, 44100)]
    [InlineData(UsbSpeed.High, false, 32000)]
    [InlineData(UsbSpeed.Full, false, 44100)]
    [InlineData(UsbSpeed.Full, false, 48000)]
    public void Every_sample_is_played_and_recorded_without_a_gap(UsbSpeed speed, bool everyMicroframe, int rate)
    {
        using UsbComputer machine = Computer();
        PcmRecording heard = new(frameBytes: 4);
        AudioOptions options = new() { EveryMicroframe = everyMicroframe };
        AudioSinkDevice speaker = new(machine.Loop, heard, options, speed);
        AudioSourceDevice microphone = new(machine.Loop, new SineWave(440), options with { Channels = 1 }, speed);
        byte[] music = Tone(880, 2, rate, milliseconds: 300);
        byte[] voice = new byte[music.Length / 2];
        machine.Loop.Run(() => Use(machine, speaker, microphone, async (output, input) =>
        {
            AudioStream playing = await output.Start(rate);
            AudioStream recording = await input.Start(rate);
            int mapped = machine.Dma.MappingsLive;
            Task recorded = recording.Record(voice).AsTask();
            await playing.Play(music);
            Assert.Equal(mapped, machine.Dma.MappingsLive);
            await playing.Drain();
            await recorded;
            await machine.Device.Processor.Delay(10 * MillisecondNs);
            speaker.PlayUntilNow();
            Assert.Equal((0, 0, 0, 0), (playing.PacketsLost, playing.IntervalsSkipped, recording.PacketsLost, recording.IntervalsSkipped));
        }), PatienceNs);
        Assert.Equal(music, heard.Samples.Take(music.Length));
        Assert.Equal(Tone(440, 1, rate, milliseconds: 300), voice);
        Assert.Equal((0ul, 0ul, 0ul), (speaker.Underruns, speaker.FramesDropped, microphone.FramesLost));
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void Volume_and_mute_reach_the_device()
    {
        using UsbComputer machine = Computer();
        AudioSinkDevice speaker = new(machine.Loop, new PcmRecording(frameBytes: 4));
        AudioSourceDevice microphone = new(machine.Loop, new SineWave());
        machine.Loop.Run(() => Use(machine, speaker, microphone, async (output, input) =>
        {
            await output.SetVolume(-12.5);
            await input.SetMute(true);
        }), PatienceNs);
        Assert.Equal((-3200, -3200), ((int)speaker.Features.VolumeOf(0), (int)speaker.Features.VolumeOf(1)));
        Assert.True(microphone.Features.IsMuted);
    }

    [Fact]
    public void A_microphone_that_is_pulled_out_ends_the_recording_with_a_failure()
    {
        using UsbComputer machine = Computer();
        AudioSourceDevice microphone = new(machine.Loop, new SineWave());
        machine.Loop.Run(() => Use(machine, new AudioSinkDevice(machine.Loop, new PcmRecording(4)), microphone, async (_, input) =>
        {
            AudioStream recording = await input.Start(48000);
            await recording.Record(new byte[9600]);
            machine.Ports[1].Unplug();
            DriverException failure = await Assert.ThrowsAsync<DriverException>(async () => await recording.Record(new byte[1 << 20]));
            Assert.Equal(DriverFailure.NoAnswer, failure.Failure);
            Assert.True(recording.PacketsLost > 0);
        }), PatienceNs);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void A_rate_that_the_device_does_not_know_is_refused()
    {
        using UsbComputer machine = Computer();
        machine.Loop.Run(() => Use(machine, new AudioSinkDevice(machine.Loop, new PcmRecording(4)), new AudioSourceDevice(machine.Loop, new SineWave()), async (output, _) =>
        {
            DriverException failure = await Assert.ThrowsAsync<DriverException>(async () => await output.Start(11025));
            Assert.Equal(DriverFailure.RequestRefused, failure.Failure);
        }), PatienceNs);
    }

    // Full-speed devices hang on a hub, high-speed ones on the controller; either way everything is let go of in the end.
    private static async Task Use(UsbComputer machine, AudioSinkDevice speaker, AudioSourceDevice microphone, Func<AudioDriver, AudioDriver, Task> work)
    {
        IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
        IUsbHub ports = controller;
        UsbDeviceHandle? hubDevice = null;
        HubDriver? hubDriver = null;
        if (speaker.Speed == UsbSpeed.High)
        {
            machine.Ports[0].Plug(speaker);
            machine.Ports[1].Plug(microphone);
        }
        else
        {
            UsbHub hub = new(machine.Loop);
            hub.Downstream[0].Plug(speaker);
            hub.Downstream[1].Plug(microphone);
            machine.Ports[0].Plug(hub);
            hubDevice = await UsbDeviceHandle.Enumerate(controller, 1);
            ports = hubDriver = await HubDriver.Start(hubDevice);
        }

        UsbDeviceHandle[] devices = [await UsbDeviceHandle.Enumerate(ports, 1), await UsbDeviceHandle.Enumerate(ports, 2)];
        AudioDriver[] drivers = [AudioDriver.Find(devices[0]), AudioDriver.Find(devices[1])];
        try
        {
            await work(drivers[0], drivers[1]);
        }
        finally
        {
            foreach (AudioDriver driver in drivers)
                await Quietly(driver);
        }

        foreach (UsbDeviceHandle device in devices)
            await device.Release();
        if (hubDriver is not null)
            await hubDriver.Stop();
        if (hubDevice is not null)
            await hubDevice.Release();
        await controller.Stop();
    }

    private static async Task Quietly(AudioDriver driver)
    {
        try
        {
            await driver.Stop();
        }
        catch (DriverException)
        {
            // A device that is gone cannot be told; the host's side is closed all the same.
        }
    }

    private static byte[] Tone(int hertz, int channels, int rate, int milliseconds)
    {
        byte[] samples = new byte[rate * milliseconds / 1000 * channels * 2];
        new SineWave(hertz).Read(samples, channels, rate);
        return samples;
    }

    private protected abstract UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null);
}

/// <summary>The same on EHCI.</summary>
public sealed class EhciAudioDriverTests : AudioDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(device: null, fabric: fabric);
}

/// <summary>The same on xHCI.</summary>
public sealed class XhciAudioDriverTests : AudioDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(new XhciOptions(), fabric);
}
