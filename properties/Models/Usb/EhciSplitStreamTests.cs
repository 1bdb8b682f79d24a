using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>siTDs: isochronous transfers of full-speed devices behind a hub.</summary>
public sealed class EhciSplitStreamTests
{
    [Fact]
    public void Payloads_of_any_length_reach_the_device_whole_frame_after_frame()
    {
        int[] lengths = [0, 1, 187, 188, 189, 376, 500, 752, 900, 1023];
        using SplitBench split = new(new() { Addresses64Bit = false });
        List<byte[]> heard = [];
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full };
        device.Takes = static (_, _) => UsbReply.Silence;
        split.Attach(device);
        PayloadObserver observer = new(heard);
        split.Hub.TranslatedBus(1).Observer = observer;
        Random random = new(1);
        List<byte[]> sent = [];
        List<uint> streams = [];
        for (int frame = 0; frame < lengths.Length; frame++)
        {
            byte[] content = new byte[lengths[frame]];
            random.NextBytes(content);
            sent.Add(content);
            uint buffer = split.Bench.Take(0x2000, 4096) + (uint)random.Next(4096);
            split.Bench.WriteBytes(buffer, content);
            int parts = Math.Max((content.Length + 187) / 188, 1);
            streams.Add(split.Stream(buffer, content.Length, isIn: false, (byte)((1 << parts) - 1), 0));
            split.Link((uint)frame, new() { Type = LinkType.SplitIsochronousTransfer, Address = streams[^1] });
        }

        split.Run();
        split.RunTo((ulong)(8 * (lengths.Length + 1)));
        Assert.All(streams, at => Assert.True(split.StreamState(at) is { Active: false, TotalBytes: 0, TransactionError: false }, $"{split.StreamState(at)}"));
        Assert.Equal(sent, heard);
        Assert.True(split.Bench.Status is { TransferInterrupt: true, ErrorInterrupt: false });
    }

    [Fact]
    public void Payloads_of_any_length_come_whole_with_those_that_end_in_the_next_frame_by_the_back_pointer()
    {
        // Microframe of the start; how many bytes. Completes go on for a microframe more than the payload takes.
        foreach ((int start, int bytes) in ((int, int)[])[(0, 8), (0, 188), (0, 600), (1, 700), (2, 188), (3, 188), (4, 188), (5, 100), (4, 376), (0, 1000)])
        {
            const int Payloads = 6;
            using SplitBench split = new();
            int given = 0;
            List<byte> sent = [];
            ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full, Clock = () => split.Bench.Loop.NowNs };
            device.Gives = (_, room) =>
            {
                new Random(given++).NextBytes(room.Span[..bytes]);
                sent.AddRange(room.Span[..bytes]);
                return UsbReply.Data(UsbPid.Data0, bytes);
            };
            split.Attach(device);
            int parts = (bytes + 187) / 188;
            int completes = ((1 << (parts + 1)) - 1) << (start + 2);
            byte mask = (byte)(completes | (completes >> 8));
            bool wraps = completes >> 8 != 0;
            uint[] buffers = [.. Enumerable.Range(0, Payloads).Select(_ => split.Bench.Take(0x2000, 4096) + 0xF80)];
            uint[] streams = new uint[Payloads + 1];
            for (int frame = 0; frame <= Payloads; frame++)
            {
                // The last one only leads back to the one before.
                uint? back = wraps && frame != 0 ? streams[frame - 1] : null;
                streams[frame] = split.Stream(
                    frame < Payloads ? buffers[frame] : split.Bench.Take(0x2000, 4096), bytes, isIn: true, (byte)(1 << start), mask, back, started: wraps && frame != 0);
                split.Link((uint)frame, new() { Type = LinkType.SplitIsochronousTransfer, Address = streams[frame] });
            }

            split.Run();
            split.RunTo((8 * Payloads) + 3);
            for (int frame = 0; frame < Payloads; frame++)
            {
                SplitIsochronousState state = split.StreamState(streams[frame]);
                Assert.True(state is { Active: false, TotalBytes: 0, MissedMicroframe: false, TransactionError: false, TranslatorError: false }, $"{start}, {bytes}, frame {frame}: {state}");
                Assert.Equal(sent.Slice(frame * bytes, bytes), split.Bench.ReadBytes(buffers[frame], bytes));
            }

            Assert.All(
                device.Times.Take(Payloads).Select((time, frame) => (time, frame)),
                turn => Assert.Equal((ulong)((8 * turn.frame) + start + 1), (turn.time - split.BeganNs) / SplitBench.MicroframeNs));
            Assert.False(split.Bench.Status.ErrorInterrupt);
        }
    }

    [Fact]
    public void What_goes_wrong_stands_in_the_status_and_nothing_is_repeated()
    {
        (UsbReply Answer, byte Mask, Func<SplitIsochronousState, bool> IsRight)[] table =
        [
            (UsbReply.Silence, 0b0001_1100, state => state is { TranslatorError: true, TotalBytes: 100 }),
            (UsbReply.Data(UsbPid.Data0, 101), 0b0001_1100, state => state is { Babble: true, TotalBytes: 100 }),
            (UsbReply.Data(UsbPid.Data0, 60), 0b0001_1100, state => state is { Babble: false, TranslatorError: false, TransactionError: false, TotalBytes: 40 }),
            (UsbReply.Data(UsbPid.Data0, 100), 0b0000_0010, state => state is { TransactionError: false, TotalBytes: 100 }),
        ];
        foreach ((UsbReply answer, byte mask, Func<SplitIsochronousState, bool> isRight) in table)
        {
            using SplitBench split = new();
            ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full, Gives = (_, _) => answer };
            split.Attach(device);
            uint at = split.Stream(split.Bench.Take(4096, 4096), 100, isIn: true, 1, mask);
            split.LinkEvery(1, 0, LinkType.SplitIsochronousTransfer, at);
            split.Run();
            split.RunTo(8);
            SplitIsochronousState state = split.StreamState(at);
            Assert.True(!state.Active && isRight(state), $"{answer}: {state}");
            Assert.Equal(state.TranslatorError || state.Babble, split.Bench.Status.ErrorInterrupt);
            split.RunTo(40);
            Assert.Single(device.Heard);
        }
    }

    [Fact]
    public void Masks_that_are_too_short_for_the_payload_are_an_error_and_so_is_a_part_that_was_missed()
    {
        using SplitBench split = new();
        split.Attach(new ScriptedDevice { Address = 9, Speed = UsbSpeed.Full, Gives = static (_, _) => UsbReply.Data(UsbPid.Data0, 500) });
        uint shortMask = split.Stream(split.Bench.Take(4096, 4096), 500, isIn: true, 1, 0b0000_1100);
        split.Link(0, new() { Type = LinkType.SplitIsochronousTransfer, Address = shortMask });

        // The list lacks the descriptor for one microframe, as after a hold-off.
        uint missed = split.Stream(split.Bench.Take(4096, 4096), 500, isIn: true, 1, 0b0111_1100);
        split.Link(1, new() { Type = LinkType.SplitIsochronousTransfer, Address = missed });
        split.Run();
        split.RunTo(8 + 3);
        split.Link(1, new() { Terminate = true });
        split.RunTo(8 + 4);
        split.Link(1, new() { Type = LinkType.SplitIsochronousTransfer, Address = missed });
        split.RunTo(16);
        Assert.True(split.StreamState(shortMask) is { Active: false, TransactionError: true } state && state.TotalBytes < 500);
        Assert.True(split.StreamState(missed) is { Active: false, MissedMicroframe: true, TransactionError: false });
    }

    [Fact]
    public void A_payload_that_leaves_its_two_pages_is_an_error_of_the_buffer()
    {
        using SplitBench split = new();
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full };
        split.Attach(device);
        uint at = split.Stream(split.Bench.Take(4096, 4096) + 4000, 150, isIn: false, 1, 0);
        SplitIsochronousTransferDescriptor descriptor = split.Bench.Read<SplitIsochronousTransferDescriptor>(at);
        split.Bench.Write(at, descriptor with { State = descriptor.State with { PageSelect = true } });
        split.LinkEvery(1, 0, LinkType.SplitIsochronousTransfer, at);
        split.Run();
        split.RunTo(8);
        Assert.True(split.StreamState(at) is { Active: false, BufferError: true });
        Assert.Empty(device.Heard);
    }

    private sealed class PayloadObserver(List<byte[]> heard) : IPacketObserver
    {
        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake) => heard.Add(data.ToArray());
    }
}
