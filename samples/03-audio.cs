#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A guest plays and records sound at the same time, by direct DMA. Isochronous transfers have a place in each frame and no
// second chance: what is not queued in time is not heard. Run it with: dotnet run samples/03-audio.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host whose EHCI controller has a speaker and a microphone; a VM that gets the controller.
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
PcmRecording heard = new(frameBytes: 4);
AudioSinkDevice speaker = new(host.Loop, heard);
AudioSourceDevice microphone = new(host.Loop, new SineWave(hertz: 440), new() { Channels = 1 });
controller.Usb.Ports[0].Plug(speaker);
controller.Usb.Ports[1].Plug(microphone);
host.Pci.Add(controller, device: 0x1D);
host.Boot();
VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
host.Loop.Run(Play);

async Task Play()
{
    await host.AssignmentOf(controller.Source).Assign(vm, new SourceId(0, 4, 0));
    FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 15 << 20);
    SourceId place = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
    ParavirtualDmaSpace dma = new(vm.Cpu, frames, vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);

    // 2. Switched on, a stream takes its share of the bus, and its buffer is mapped once. Switched off, it takes nothing.
    EhciDriver ehci = await EhciDriver.Start(device);
    AudioDriver output = AudioDriver.Find(await UsbDeviceHandle.Enumerate(ehci, port: 1));
    AudioDriver input = AudioDriver.Find(await UsbDeviceHandle.Enumerate(ehci, port: 2));
    foreach (AudioDriver audio in (AudioDriver[])[output, input])
    {
        Console.WriteLine($"{(audio.IsRecorder ? "microphone" : "speaker")}: {audio.Channels} channels, {string.Join(", ", audio.Rates)} Hz, " +
            $"packets up to {audio.Endpoint.Descriptor.MaxPacketSize} bytes");
    }

    AudioStream playing = await output.Start(44_100);
    AudioStream recording = await input.Start(48_000);

    // 3. Two seconds of each. 44.1 kHz are 44 samples in a millisecond, and each tenth time 45. The one hypercall is for memory
    //    of the first descriptors; they are used again and again.
    byte[] music = new byte[2 * 44_100 * output.FrameBytes];
    new SineWave(hertz: 880).Read(music, output.Channels, 44_100);
    byte[] voice = new byte[2 * 48_000 * input.FrameBytes];
    Meter meter = vm.Cpu.Processor.Meter;
    (ulong hypercalls, ulong exits) = (meter[Cost.Hypercall], meter[Cost.Exit]);
    Task record = recording.Record(voice).AsTask();
    await playing.Play(music);
    await playing.Drain();
    await record;
    Console.WriteLine($"2 s each way: {meter[Cost.Hypercall] - hypercalls} hypercalls, {meter[Cost.Exit] - exits} exits");
    Console.WriteLine($"played: {playing.PacketsMoved} packets, lost {playing.PacketsLost}, intervals skipped {playing.IntervalsSkipped}");
    Console.WriteLine($"recorded: {recording.PacketsMoved} packets, lost {recording.PacketsLost}, intervals skipped {recording.IntervalsSkipped}");

    // 4. The devices agree: they keep their own time, and would have noticed.
    await device.Processor.Delay(10_000_000);
    speaker.PlayUntilNow();
    byte[] expected = new byte[voice.Length];
    new SineWave(hertz: 440).Read(expected, input.Channels, 48_000);
    Console.WriteLine($"the speaker played what was sent, without a gap: {heard.Samples.Take(music.Length).SequenceEqual(music)}, {speaker.Underruns} underruns");
    Console.WriteLine($"the guest has what the microphone heard: {voice.AsSpan().SequenceEqual(expected)}, {microphone.FramesLost} samples lost");

    // 5. Nothing is queued for a while, and that is heard, too.
    await playing.Play(music.AsMemory(0, 44_100));
    await playing.Drain();
    await device.Processor.Delay(50_000_000);
    await playing.Play(music.AsMemory(0, 44_100));
    await playing.Drain();
    Console.WriteLine($"after pauses of 10 and 50 ms: {playing.IntervalsSkipped} intervals skipped, {speaker.Underruns} underruns; faults: {host.Faults.Total}");
    await output.Stop();
    await input.Stop();
}

// It prints:
// speaker: 2 channels, 48000, 44100, 32000 Hz, packets up to 192 bytes
// microphone: 1 channels, 48000, 44100, 32000 Hz, packets up to 96 bytes
// 2 s each way: 1 hypercalls, 251 exits
// played: 2000 packets, lost 0, intervals skipped 0
// recorded: 2000 packets, lost 0, intervals skipped 0
// the speaker played what was sent, without a gap: True, 0 underruns
// the guest has what the microphone heard: True, 0 samples lost
// after pauses of 10 and 50 ms: 62 intervals skipped, 2 underruns; faults: 0
