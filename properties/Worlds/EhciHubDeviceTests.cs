using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Devices that people have, at full speed behind a hub of an EHCI controller.</summary>
public sealed class EhciHubDeviceTests
{
    private const int Address = 9;
    private const int ReportBytes = 8;

    [Fact]
    public void A_keyboard_behind_a_hub_says_what_it_says_on_a_bus_of_its_own()
    {
        const string Text = "Hello, Hub!";
        EventLoop loop = new();
        KeyboardDevice twin = new(loop, UsbSpeed.Full);
        UsbTestHost host = new(twin, UsbSpeed.Full);
        host.Configure();
        twin.Type(Text);
        List<byte> alone = [];
        while (host.In(1, ReportBytes, ReportBytes) is (byte[] report, UsbPid.Ack))
            alone.AddRange(report);
        Assert.True(alone.Count >= 2 * Text.Length * ReportBytes);

        using SplitBench split = new();
        KeyboardDevice keyboard = new(split.Bench.Loop, UsbSpeed.Full);
        split.Attach(keyboard);
        split.Configure(Address);
        QueueHead head = SplitBench.Queue(Address, 1, ReportBytes, EndpointSpeed.Full, start: 1, complete: 0b1_1100);
        (uint queue, uint transfer, uint buffer) = split.Interrupt(head, PacketId.In, alone.Count);
        split.LinkEvery(8, 0, LinkType.QueueHead, queue);
        split.Run();
        split.RunTo(8 * 40);
        Assert.True(split.Bench.Read<TransferDescriptor>(transfer).Token.Active);
        keyboard.Type(Text);
        TransferToken token = split.Bench.Finish(transfer, limitNs: 2_000_000_000);
        Assert.True(token is { Active: false, Halted: false, TotalBytes: 0 }, $"{token}");
        Assert.Equal(alone, split.Bench.ReadBytes(buffer, alone.Count));
    }

    [Fact]
    public void A_speaker_behind_a_hub_plays_every_sample_and_never_runs_dry()
    {
        const int Frames = 40;
        using SplitBench split = new();
        AudioOptions options = new();
        int bytes = 48 * options.FrameBytes;
        PcmRecording recording = new(options.FrameBytes);
        AudioSinkDevice speaker = new(split.Bench.Loop, recording, options, UsbSpeed.Full);
        split.Attach(speaker);
        split.Configure(Address);
        _ = split.Control(SplitBench.HubAddress, Address, new() { Recipient = RequestRecipient.Interface, Request = (byte)StandardRequest.SetInterface, Value = 1, Index = 1 });
        byte[] sound = new byte[Frames * bytes];
        new Random(7).NextBytes(sound);
        for (int frame = 0; frame < Frames; frame++)
        {
            uint buffer = split.Bench.Take(0x2000, 4096) + 4000;
            split.Bench.WriteBytes(buffer, sound.AsSpan(frame * bytes, bytes));
            uint at = split.Stream(buffer, bytes, isIn: false, start: (byte)((1 << ((bytes + 187) / 188)) - 1), complete: 0, device: Address, endpoint: 1);
            split.Link((uint)frame, new() { Type = LinkType.SplitIsochronousTransfer, Address = at });
        }

        split.Run();
        split.RunTo(8 * Frames);
        speaker.PlayUntilNow();
        Assert.Equal((0ul, 0ul, 0ul), (speaker.Underruns, speaker.FramesDropped, speaker.BadPackets));
        Assert.True(speaker.FramesPlayed > 48 * (Frames - 6), $"{speaker.FramesPlayed}");
        byte[] heard = [.. recording.Samples];
        int begin = heard.AsSpan().IndexOf(sound.AsSpan(0, bytes));
        Assert.True(begin >= 0);
        int played = heard.Length - begin;
        Assert.Equal(sound[..played], heard[begin..]);
    }
}
