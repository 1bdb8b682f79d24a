using System.Buffers.Binary;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class AudioTests
{
    private const int Stream = 1;
    private const ulong Millisecond = 1_000_000;
    private const int FeatureUnitIndex = 2 << 8;

    public static TheoryData<UsbSpeed, bool> Forms => new() { { UsbSpeed.Full, false }, { UsbSpeed.High, false }, { UsbSpeed.High, true } };

    [Theory]
    [MemberData(nameof(Forms))]
    public void Setting_0_of_every_audio_device_has_no_endpoint_and_setting_1_has_room_for_the_fastest_rate(UsbSpeed speed, bool everyMicroframe)
    {
        foreach (int channels in (int[])[1, 2])
        {
            AudioOptions options = new() { Channels = channels, EveryMicroframe = everyMicroframe };
            EventLoop loop = new();
            PcmRecording recording = new(options.FrameBytes);
            foreach (AudioDevice device in (AudioDevice[])[new AudioSinkDevice(loop, recording, options, speed), new AudioSourceDevice(loop, new SineWave(), options, speed)])
            {
                UsbTestHost host = new(device);
                byte[] configuration = host.Descriptor(DescriptorType.Configuration)!;
                (InterfaceDescriptor Face, EndpointDescriptor? Endpoint)[] settings = [.. Settings(configuration)];
                Assert.Equal([(0, 0, 0), (1, 0, 0), (1, 1, 1)], settings.Select(setting => ((int)setting.Face.Number, (int)setting.Face.AlternateSetting, (int)setting.Face.EndpointCount)));
                Assert.Equal([null, null], settings[..2].Select(setting => setting.Endpoint));
                EndpointDescriptor endpoint = settings[2].Endpoint!.Value;
                Assert.Equal((TransferType.Isochronous, 3, everyMicroframe ? 6 * options.FrameBytes : 48 * options.FrameBytes), (endpoint.TransferType, endpoint.Synchronization, endpoint.MaxPacketSize));
                Assert.Equal((9, speed == UsbSpeed.Full || everyMicroframe ? 1 : 4), (endpoint.Length, endpoint.Interval));

                // Off, the endpoint is not there at all.
                host.Configure();
                Assert.Equal(UsbPid.None, host.IsochronousIn(Stream).Pid);
                Assert.False(device.IsStreaming);
                Assert.True(host.SetInterface(1, 1));
                Assert.True(device.IsStreaming);
                Assert.False(host.SetInterface(1, 2));
                Assert.True(host.SetInterface(1, 0));
                Assert.Equal(UsbPid.None, host.IsochronousIn(Stream).Pid);
            }

            Assert.Empty(recording.Samples);
        }
    }

    [Fact]
    public void The_descriptors_of_a_speaker_are_those_of_the_class()
    {
        byte[] configuration = new UsbTestHost(new AudioSinkDevice(new(), new PcmRecording(4), new() { Rates = [48000] }, UsbSpeed.Full)).Descriptor(DescriptorType.Configuration)!;
        Assert.Equal(
            "0902" + "7100" + "02010080" + "32"
            + "090400000001010000"
            + "09240100012B000101" + "0C24020101010002030000" + "00" + "0D240602010201000200020000" + "092403030103000200"
            + "090401000001020000"
            + "090401010101020000"
            + "07240101010100" + "0B24020102021001" + "80BB00"
            + "0905010DC000010000" + "07250101000000",
            Convert.ToHexString(configuration));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void What_is_sent_in_time_is_played_once_and_in_order(UsbSpeed speed, bool everyMicroframe)
    {
        foreach (int rate in (int[])[48000, 44100, 32000])
        {
            AudioOptions options = new() { EveryMicroframe = everyMicroframe };
            EventLoop loop = new();
            PcmRecording recording = new(options.FrameBytes);
            AudioSinkDevice sink = new(loop, recording, options, speed);
            UsbTestHost host = Open(sink);
            Assert.NotNull(SetRate(host, Stream, rate));
            List<byte> sent = [];
            ulong interval = everyMicroframe ? 125_000u : Millisecond;
            for (ulong packet = 0; packet < 200; packet++)
            {
                ulong frames = (packet + 1) * interval * (ulong)rate / 1_000_000_000 - packet * interval * (ulong)rate / 1_000_000_000;
                byte[] data = [.. Enumerable.Range(0, (int)frames * 4).Select(at => (byte)((int)packet + at))];
                host.IsochronousOut(Stream, data);
                sent.AddRange(data);
                loop.RunFor(interval);
            }

            Assert.True(host.SetInterface(1, 0));
            Assert.Equal(sent, recording.Samples);
            Assert.Equal((0ul, 0ul, 0ul, (ulong)sent.Count / 4), (sink.Underruns, sink.FramesSilent, sink.FramesDropped, sink.FramesPlayed));
        }
    }

    [Fact]
    public void Late_data_leaves_silence_and_early_data_is_dropped_and_both_are_counted() => Property.Check(
        (from waits in Gen.Frequency((6, Gen.Constant(1000)), (2, Gen.Choose(0, 2000)), (1, Gen.Choose(2000, 40_000)), (1, Gen.Constant(0)))
         from frames in Gen.Frequency((6, Gen.Constant(48)), (1, Gen.Choose(0, 48)))
         select (waits, frames)).ListOf(),
        packets =>
        {
            EventLoop loop = new();
            PcmRecording recording = new(4);
            AudioSinkDevice sink = new(loop, recording, new() { Rates = [48000] }, UsbSpeed.Full);
            UsbTestHost host = Open(sink);
            byte next = 1;
            ulong sent = 0;
            foreach ((int waits, int frames) in packets)
            {
                host.IsochronousOut(Stream, [.. Enumerable.Repeat(next, 4 * frames)]);
                next = next == 250 ? (byte)1 : (byte)(next + 1);
                sent += (ulong)frames;
                loop.RunFor((ulong)waits * 1000);
                sink.PlayUntilNow();

                // No sample is played before its time: two milliseconds after the first packet.
                Assert.True(sink.FramesPlayed <= loop.NowNs * 48 / Millisecond);
            }

            Assert.True(host.SetInterface(1, 0));
            Assert.Equal(sent, sink.FramesPlayed + sink.FramesDropped);
            Assert.Equal(4 * (sink.FramesPlayed + sink.FramesSilent), (ulong)recording.Samples.Count);
            Assert.Equal(sink.FramesSilent, (ulong)recording.Samples.Count(sample => sample == 0) / 4);
            Assert.Equal(sink.Underruns == 0, sink.FramesSilent == 0);
        });

    [Fact]
    public void A_gap_is_as_long_as_the_data_was_late_and_the_time_that_it_needs_to_begin_again()
    {
        EventLoop loop = new();
        PcmRecording recording = new(4);
        AudioSinkDevice sink = new(loop, recording, new() { Rates = [48000] }, UsbSpeed.Full);
        UsbTestHost host = Open(sink);
        host.IsochronousOut(Stream, [.. Enumerable.Repeat((byte)1, 192)]);

        // Played from 2 ms to 3 ms; the next packet comes at 10 ms and is played from 12 ms on.
        loop.RunFor(10 * Millisecond);
        host.IsochronousOut(Stream, [.. Enumerable.Repeat((byte)2, 192)]);
        Assert.Equal((1ul, 9 * 48ul), (sink.Underruns, sink.FramesSilent));
        Assert.True(host.SetInterface(1, 0));
        Assert.Equal([.. Enumerable.Repeat((byte)1, 192), .. new byte[9 * 192], .. Enumerable.Repeat((byte)2, 192)], recording.Samples);

        // More than there is room for at once, and a packet that ends within a sample.
        Assert.True(host.SetInterface(1, 1));
        for (int packet = 0; packet < 100; packet++)
            host.IsochronousOut(Stream, new byte[192]);
        Assert.Equal((ulong)(100 * 48) - (AudioSinkDevice.BufferBytes / 4), sink.FramesDropped);
        host.IsochronousOut(Stream, new byte[190]);
        Assert.Equal(1ul, sink.BadPackets);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_source_gives_what_it_was_given_at_every_rate_and_loses_what_is_not_fetched(UsbSpeed speed, bool everyMicroframe)
    {
        byte[] clip = [.. Enumerable.Range(0, 40_000).Select(at => (byte)(at / 2))];
        foreach (int rate in (int[])[48000, 44100, 32000])
        {
            AudioOptions options = new() { Channels = 1, EveryMicroframe = everyMicroframe };
            EventLoop loop = new();
            loop.RunFor(123_456);
            AudioSourceDevice source = new(loop, new PcmClip(clip), options, speed);
            UsbTestHost host = Open(source);
            Assert.NotNull(SetRate(host, 0x80 | Stream, rate));
            ulong interval = everyMicroframe ? 125_000u : Millisecond;
            List<byte> got = [];
            for (int packet = 0; packet < 100; packet++)
            {
                got.AddRange(host.IsochronousIn(Stream).Data);

                // Asked again in the same interval there is nothing; a little early or late does not matter.
                Assert.Empty(host.IsochronousIn(Stream).Data);
                loop.RunFor(packet % 2 == 0 ? interval - 40_000 : interval + 40_000);
            }

            Assert.Equal(100 * interval * (ulong)rate / 1_000_000_000, source.FramesSent);
            Assert.Equal(clip[..got.Count], got);
            Assert.Equal(0ul, source.FramesLost);

            // Ten intervals go by; what comes then is what is heard then.
            loop.RunFor(10 * interval);
            byte[] later = host.IsochronousIn(Stream).Data;
            int missed = (int)(110 * interval * (ulong)rate / 1_000_000_000 - source.FramesSent + (ulong)later.Length / 2);
            Assert.Equal((ulong)missed, source.FramesLost);
            Assert.Equal(clip.AsSpan(got.Count + 2 * missed, later.Length).ToArray(), later);
        }
    }

    [Fact]
    public void A_tone_has_its_frequency_at_every_rate_and_is_the_same_every_time()
    {
        foreach (int rate in (int[])[48000, 44100, 8000])
        {
            byte[] samples = new byte[4 * rate];
            new SineWave(440).Read(samples, 2, rate);
            short[] left = [.. Enumerable.Range(0, rate).Select(at => BinaryPrimitives.ReadInt16LittleEndian(samples.AsSpan(4 * at)))];
            int rises = Enumerable.Range(1, rate - 1).Count(at => left[at - 1] < 0 && left[at] >= 0);
            Assert.InRange(rises, 439, 440);
            Assert.Equal(left, Enumerable.Range(0, rate).Select(at => BinaryPrimitives.ReadInt16LittleEndian(samples.AsSpan(4 * at + 2))));

            // Skipping is listening without hearing.
            byte[] rest = new byte[400];
            SineWave skipped = new(440);
            skipped.Skip(1000, 2, rate);
            skipped.Read(rest, 2, rate);
            Assert.Equal(samples.AsSpan(4000, 400).ToArray(), rest);
        }
    }

    [Fact]
    public void Mute_and_volume_are_heard_and_what_is_out_of_range_is_refused()
    {
        EventLoop loop = new();
        PcmRecording recording = new(4);
        AudioSinkDevice sink = new(loop, recording, speed: UsbSpeed.Full);
        UsbTestHost host = Open(sink);
        Assert.Equal([0], Get(AudioRequest.GetCurrent, 0x0100, 1)!);
        Assert.Equal([0x00, 0xC4], Get(AudioRequest.GetMinimum, 0x0201)!);
        Assert.Equal([0, 0], Get(AudioRequest.GetMaximum, 0x0202)!);
        Assert.Equal([0, 1], Get(AudioRequest.GetResolution, 0x0201)!);

        // The left channel at half, by 6.02 dB; the right one silent.
        Assert.NotNull(Set(0x0201, 0xFB, 0xF9));
        Assert.NotNull(Set(0x0202, 0x00, 0x80));
        Assert.Equal([0xFB, 0xF9], Get(AudioRequest.GetCurrent, 0x0201)!);
        Assert.Equal((-1541, FeatureUnit.Silence), (sink.Features.VolumeOf(0), sink.Features.VolumeOf(1)));
        short[] heard = Play(10_000, -10_000);
        Assert.InRange(heard[0], 4990, 5010);
        Assert.Equal(0, heard[1]);

        Assert.NotNull(Set(0x0100, 1));
        Assert.True(sink.Features.IsMuted);
        Assert.Equal([0, 0], Play(10_000, -10_000));
        Assert.NotNull(Set(0x0100, 0));

        Assert.Null(Set(0x0100, 2));
        Assert.Null(Set(0x0101, 1));
        Assert.Null(Set(0x0201, 1, 0));
        Assert.Null(Set(0x0201, 0xFF, 0xC3));
        Assert.Null(Set(0x0203, 0, 0));
        Assert.Null(Set(0x0201, 0));
        Assert.Null(Get(AudioRequest.GetMinimum, 0x0100, 1));
        Assert.Null(Get((AudioRequest)0x85, 0x0201));
        Assert.Null(host.ClassRequest((byte)AudioRequest.GetCurrent, 0x0201, index: 3 << 8, length: 2));
        sink.Reset();
        Assert.Equal((false, (short)0), (sink.Features.IsMuted, sink.Features.VolumeOf(1)));

        byte[]? Get(AudioRequest request, int value, int length = 2) => host.ClassRequest((byte)request, value, FeatureUnitIndex, length);
        byte[]? Set(int value, params byte[] data) => host.ClassRequest((byte)AudioRequest.SetCurrent, value, FeatureUnitIndex, data: data);
        short[] Play(short left, short right)
        {
            byte[] frame = new byte[4];
            BinaryPrimitives.WriteInt16LittleEndian(frame, left);
            BinaryPrimitives.WriteInt16LittleEndian(frame.AsSpan(2), right);
            host.IsochronousOut(Stream, frame);
            Assert.True(host.SetInterface(1, 0) && host.SetInterface(1, 1));
            return [.. recording.Samples.TakeLast(4).Chunk(2).Select(pair => BinaryPrimitives.ReadInt16LittleEndian(pair))];
        }
    }

    [Fact]
    public void Rates_that_are_not_offered_are_refused_and_devices_that_cannot_be_are_not_made()
    {
        AudioSourceDevice source = new(new(), new SineWave(), new() { Channels = 1, Rates = [44100, 48000] });
        UsbTestHost host = Open(source);
        Assert.Equal(44100, source.Rate);
        Assert.NotNull(SetRate(host, 0x81, 48000));
        Assert.Equal(48000, source.Rate);
        Assert.Null(SetRate(host, 0x81, 22050));
        Assert.Null(SetRate(host, 0x01, 48000));
        Assert.Equal([0x80, 0xBB, 0], GetRate(AudioRequest.GetCurrent)!);
        Assert.Equal([0x44, 0xAC, 0], GetRate(AudioRequest.GetMinimum)!);
        Assert.Equal([0x80, 0xBB, 0], GetRate(AudioRequest.GetMaximum)!);
        Assert.Null(GetRate(AudioRequest.GetResolution));
        Assert.True(host.SetInterface(1, 0));
        Assert.Null(SetRate(host, 0x81, 48000));

        _ = Assert.Throws<ArgumentException>(() => new AudioSourceDevice(new(), new SineWave(), speed: UsbSpeed.Low));
        _ = Assert.Throws<ArgumentException>(() => new AudioSourceDevice(new(), new SineWave(), new() { Channels = 3 }));
        _ = Assert.Throws<ArgumentException>(() => new AudioSourceDevice(new(), new SineWave(), new() { Rates = [] }));

        byte[]? GetRate(AudioRequest request) => host.Control(new()
        {
            In = true,
            Type = RequestType.Class,
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)request,
            Value = 0x0100,
            Index = 0x81,
            Length = 3,
        });
    }

    private static UsbTestHost Open(AudioDevice device)
    {
        UsbTestHost host = new(device);
        host.Configure();
        Assert.True(host.SetInterface(1, 1));
        return host;
    }

    private static byte[]? SetRate(UsbTestHost host, int endpoint, int rate) => host.Control(
        new()
        {
            Type = RequestType.Class,
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)AudioRequest.SetCurrent,
            Value = 0x0100,
            Index = (ushort)endpoint,
            Length = 3,
        },
        [(byte)rate, (byte)(rate >> 8), (byte)(rate >> 16)]);

    private static List<(InterfaceDescriptor Face, EndpointDescriptor? Endpoint)> Settings(byte[] configuration)
    {
        List<(InterfaceDescriptor Face, EndpointDescriptor? Endpoint)> settings = [];
        for (int at = 0; at < configuration.Length; at += configuration[at])
        {
            if (configuration[at + 1] == (byte)DescriptorType.Interface)
                settings.Add((Packed.Read<InterfaceDescriptor>(configuration.AsSpan(at, InterfaceDescriptor.Size)), null));
            else if (configuration[at + 1] == (byte)DescriptorType.Endpoint)
                settings[^1] = (settings[^1].Face, Packed.Read<EndpointDescriptor>(configuration.AsSpan(at, EndpointDescriptor.Size)));
        }

        return settings;
    }
}
