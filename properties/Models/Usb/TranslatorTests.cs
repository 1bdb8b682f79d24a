using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A transaction translator, spoken to token by token.</summary>
public sealed class TranslatorTests
{
    private const ulong MicroframeNs = HubBench.MicroframeNs;

    private static readonly UsbToken BulkIn = HubBench.Token(UsbPid.In, 9, 1, TransferType.Bulk);
    private static readonly UsbToken BulkOut = HubBench.Token(UsbPid.Out, 9, 2, TransferType.Bulk);
    private static readonly UsbToken Interrupt = HubBench.Token(UsbPid.In, 9, 3, TransferType.Interrupt);
    private static readonly UsbToken StreamIn = HubBench.Token(UsbPid.In, 9, 4, TransferType.Isochronous);

    [Fact]
    public void A_bulk_transaction_is_taken_asked_for_and_its_result_kept()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        device.Gives = static (_, room) =>
        {
            room.Span[..64].Fill(0x5A);
            return UsbReply.Data(true, 64);
        };
        Assert.Equal(UsbPid.Ack, bench.Start(BulkIn));
        Assert.Equal(UsbPid.Nyet, bench.Complete(BulkIn).Pid);

        // Repeated while under way: acknowledged and dropped.
        Assert.Equal(UsbPid.Ack, bench.Start(BulkIn));
        bench.Loop.RunFor(100_000);
        (UsbPid pid, byte[] data) = bench.Complete(BulkIn);
        Assert.Equal((UsbPid.Data1, 64, 0x5A), (pid, data.Length, (int)data[63]));
        Assert.Single(device.Heard);
        Assert.Equal(1, device.Acknowledged);

        // The host did not hear it, and asks again.
        Assert.Equal(UsbPid.Data1, bench.Complete(BulkIn).Pid);
        Assert.Single(device.Heard);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Buffers_are_as_many_as_were_built_in_and_can_be_cleared(int count)
    {
        (HubBench bench, ScriptedDevice device) = Bench(new() { NonPeriodicBuffers = count });
        for (byte endpoint = 1; endpoint <= count; endpoint++)
            Assert.Equal(UsbPid.Ack, bench.Start(HubBench.Token(UsbPid.In, 9, endpoint, TransferType.Bulk)));
        UsbToken further = HubBench.Token(UsbPid.In, 9, 15, TransferType.Bulk);
        Assert.Equal(UsbPid.Nak, bench.Start(further));
        Assert.Equal(UsbPid.Stall, bench.Complete(further).Pid);

        // The other direction of a bulk endpoint is another endpoint; of a control endpoint it is the same.
        TtBufferSelector selector = new() { Endpoint = 1, DeviceAddress = 9, EndpointType = TransferType.Bulk };
        Clear(bench, selector);
        Assert.Equal(UsbPid.Nak, bench.Start(further));
        Clear(bench, selector with { In = true });
        Assert.Equal(UsbPid.Ack, bench.Start(further));
        Assert.True(device.Heard.Count <= 2);

        // A result that was fetched gives up its place.
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(UsbPid.Nak, bench.Complete(further).Pid);
        Assert.Equal(UsbPid.Ack, bench.Start(HubBench.Token(UsbPid.Out, 9, 7, TransferType.Control), UsbPid.Data1));
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(UsbPid.Ack, bench.Complete(HubBench.Token(UsbPid.In, 9, 7, TransferType.Control)).Pid);
    }

    [Fact]
    public void A_device_that_is_silent_three_times_counts_as_stalled()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        int answers = 0;
        device.Takes = (_, _) => answers++ < 2 ? UsbReply.Silence : UsbReply.Ack;
        Assert.Equal((UsbPid.Ack, 3), (bench.Run(BulkOut, UsbPid.Data0, new byte[64]).Pid, device.Heard.Count));
        device.Takes = static (_, _) => UsbReply.Silence;
        Assert.Equal((UsbPid.Stall, 6), (bench.Run(BulkOut, UsbPid.Data1, new byte[64]).Pid, device.Heard.Count));
        device.Takes = static (_, _) => UsbReply.Stall;
        Assert.Equal((UsbPid.Stall, 7), (bench.Run(BulkOut, UsbPid.Data1, new byte[64]).Pid, device.Heard.Count));

        // Nobody is there, and the wrong speed is nobody too.
        Assert.Equal(UsbPid.Stall, bench.Run(HubBench.Token(UsbPid.Out, 77, 2, TransferType.Bulk), UsbPid.Data0, []).Pid);
        Assert.Equal(UsbPid.Stall, bench.Run(HubBench.Token(UsbPid.Out, 9, 6, TransferType.Control, low: true), UsbPid.Data0, []).Pid);
        Assert.Equal(7, device.Heard.Count);
    }

    [Fact]
    public void Stop_and_reset_do_what_they_say_and_the_state_can_be_read()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        Assert.NotNull(bench.Host.Control(HubBench.Request(HubRequest.StopTt, 0, 1)));
        Assert.Equal(UsbPid.Ack, bench.Start(BulkIn));
        bench.Loop.RunFor(10_000_000);
        Assert.Equal(UsbPid.Nyet, bench.Complete(BulkIn).Pid);
        Assert.Empty(device.Heard);
        byte[] state = bench.Host.Control(HubBench.Request(HubRequest.GetTtState, 0, 1) with { In = true, Length = 64 })!;
        Assert.Equal([1, 1, 1, 9, 0, 0, 0, 0], state);
        Assert.NotNull(bench.Host.Control(HubBench.Request(HubRequest.ResetTt, 0, 1)));
        Assert.Equal(UsbPid.Stall, bench.Complete(BulkIn).Pid);
        Assert.Equal(UsbPid.Nak, bench.Run(BulkIn).Pid);
        Assert.NotEmpty(device.Heard);
    }

    [Fact]
    public void An_interrupt_goes_out_in_the_next_microframe_and_is_known_in_the_one_behind()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        device.Gives = static (_, _) => UsbReply.Data(true, 8);
        bench.GoTo(0);
        Assert.Equal(UsbPid.None, bench.Start(Interrupt));
        Assert.Equal(UsbPid.Nyet, bench.Complete(Interrupt).Pid);
        bench.Loop.RunFor(MicroframeNs - 1);
        Assert.Empty(device.Heard);
        bench.Loop.RunFor(1);
        bench.Loop.RunFor(10);
        Assert.Single(device.Heard);
        bench.Loop.RunFor(MicroframeNs - 20);
        Assert.Equal(UsbPid.Nyet, bench.Complete(Interrupt).Pid);
        bench.Loop.RunFor(20);
        (UsbPid pid, byte[] data) = bench.Complete(Interrupt);
        Assert.Equal((UsbPid.Data1, 8), (pid, data.Length));

        // It is handed out once.
        Assert.Equal(UsbPid.Nyet, bench.Complete(Interrupt).Pid);
        foreach ((UsbReply answer, UsbPid heard) in ((UsbReply, UsbPid)[])
            [(UsbReply.Nak, UsbPid.Nak), (UsbReply.Stall, UsbPid.Stall), (UsbReply.Silence, UsbPid.Error)])
        {
            device.Gives = (_, _) => answer;
            bench.GoTo(0);
            _ = bench.Start(Interrupt);
            bench.Loop.RunFor(2 * MicroframeNs);
            Assert.Equal(heard, bench.Complete(Interrupt).Pid);
        }
    }

    [Fact]
    public void Data_that_spans_microframes_is_fetched_in_parts_that_make_up_the_whole()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        foreach (int length in (int[])[0, 1, 100, 188, 189, 500, 1000, 1023])
        {
            byte[] content = new byte[length];
            new Random(length).NextBytes(content);
            device.Gives = (_, room) =>
            {
                content.CopyTo(room);
                return UsbReply.Data(UsbPid.Data0, length);
            };
            bench.GoTo(0);
            _ = bench.Start(StreamIn);
            List<byte> received = [];
            UsbPid pid = UsbPid.Nyet;
            int parts = 0;
            for (int microframe = 1; pid is UsbPid.Nyet or UsbPid.DataM; microframe++)
            {
                Assert.InRange(microframe, 1, 8);
                bench.Loop.RunFor(MicroframeNs);
                (pid, byte[] part) = bench.Complete(StreamIn);
                received.AddRange(part);
                parts += pid == UsbPid.DataM ? 1 : 0;
                Assert.True(part.Length <= 188, $"{part.Length} bytes in a microframe.");
            }

            Assert.Equal(UsbPid.Data0, pid);
            Assert.Equal(content, received);
            Assert.Equal(length > 400, parts > 1);
        }
    }

    [Fact]
    public void A_payload_in_parts_reaches_the_device_whole_or_not_at_all()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        device.Takes = static (_, _) => UsbReply.Silence;
        foreach (int lost in (int[])[-1, 0, 1, 2, 3])
        {
            device.Heard.Clear();
            bench.GoTo(0);
            for (int part = 0; part < 4; part++)
            {
                UsbToken token = HubBench.Token(UsbPid.Out, 9, 5, TransferType.Isochronous, low: part == 0, end: part == 3);
                if (part != lost)
                    _ = bench.Start(token, UsbPid.Data0, new byte[part == 3 ? 60 : 188]);
                bench.Loop.RunFor(MicroframeNs);
            }

            bench.Loop.RunFor(4 * MicroframeNs);
            if (lost < 0)
                Assert.Equal([(UsbPid.Out, 5, UsbPid.Data0, (3 * 188) + 60)], device.Heard);
            else
                Assert.Empty(device.Heard);
        }
    }

    [Fact]
    public void Start_splits_beyond_the_pipeline_are_lost_and_old_ones_are_not_begun()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        Assert.NotNull(bench.Host.Control(HubBench.Request(HubRequest.ResetTt, 0, 1)));
        bench.GoTo(0);
        for (byte endpoint = 0; endpoint < 16; endpoint++)
        {
            foreach (byte address in (byte[])[9, 10, 11])
                _ = bench.Start(HubBench.Token(UsbPid.In, address, endpoint, TransferType.Interrupt));
        }

        // Thirty-two are held, and a third of those is for this device; of them those that took too long to come up are dropped.
        bench.Loop.RunFor(8 * MicroframeNs);
        Assert.InRange(device.Heard.Count, 5, 11);
        byte[] state = bench.Host.Control(HubBench.Request(HubRequest.GetTtState, 0, 1) with { In = true, Length = 64 })!;
        Assert.InRange(state[^1], 1, 32);

        // What nobody fetched is dropped, and the pipeline is free again.
        bench.GoTo(0);
        _ = bench.Start(Interrupt);
        bench.Loop.RunFor(2 * MicroframeNs);
        Assert.Equal(UsbPid.Nak, bench.Complete(Interrupt).Pid);
    }

    [Fact]
    public void Control_and_bulk_go_out_between_periodic_transactions_and_never_past_the_end_of_a_frame()
    {
        (HubBench bench, ScriptedDevice device) = Bench(time: true);
        device.Takes = static (_, _) => UsbReply.Ack;
        bench.GoTo(1);
        ulong begin = bench.Loop.NowNs;
        bool toggle = false;
        for (ulong end = begin + 3_000_000; bench.Loop.NowNs < end;)
        {
            _ = bench.Run(BulkOut, (toggle = !toggle) ? UsbPid.Data0 : UsbPid.Data1, new byte[64]);
            bench.Loop.RunFor(1);
        }

        // Frames below begin a microframe later; no packet of 64 bytes begins less than its time before their end.
        Assert.All(device.Times, time => Assert.True((time - begin) % 1_000_000 <= 1_000_000 - (ulong)WireTime.FullSpeed(64), $"{time - begin}"));
        Assert.InRange(device.Times.Count, 3 * 10, 3 * 19);
    }

    [Fact]
    public void A_device_that_talks_past_the_end_of_the_frame_loses_its_port()
    {
        (HubBench bench, ScriptedDevice device) = Bench();
        device.Gives = static (_, _) => UsbReply.Data(UsbPid.Data0, 1023);
        bench.GoTo(6);
        _ = bench.Start(StreamIn);
        bench.Loop.RunFor(3 * MicroframeNs);
        Assert.Equal(UsbPid.Nyet, bench.Complete(StreamIn).Pid);
        bench.Loop.RunFor(5 * MicroframeNs);
        Assert.True(bench.Hub.StatusOf(1) is { Enabled: false, EnableChange: true, Connected: true });
    }

    [Fact]
    public void With_a_translator_for_each_port_one_does_not_wait_for_the_other()
    {
        foreach (int alternate in (int[])[0, 1])
        {
            HubBench bench = new(new() { HasManyTranslators = true });
            Assert.NotNull(bench.Host.Control(new() { Recipient = RequestRecipient.Interface, Request = (byte)StandardRequest.SetInterface, Value = (ushort)alternate }));
            ScriptedDevice[] devices = [new() { Address = 9, Speed = UsbSpeed.Full }, new() { Address = 10, Speed = UsbSpeed.Full }];
            bench.Attach(devices[0], 1);
            bench.Attach(devices[1], 2);
            for (byte endpoint = 1; endpoint <= 2; endpoint++)
                Assert.Equal(UsbPid.Ack, bench.Start(HubBench.Token(UsbPid.In, 9, endpoint, TransferType.Bulk)));
            Assert.Equal(alternate == 0 ? UsbPid.Nak : UsbPid.Ack, bench.Start(HubBench.Token(UsbPid.In, 10, 1, TransferType.Bulk, port: 2)));
            Assert.Equal(alternate == 0, bench.Hub.TranslatedBus(1) == bench.Hub.TranslatedBus(2));

            // Of a port that the hub does not have nobody answers.
            Assert.Equal(UsbPid.None, bench.Start(HubBench.Token(UsbPid.In, 9, 1, TransferType.Bulk, port: 5)));
        }
    }

    private static (HubBench Bench, ScriptedDevice Device) Bench(UsbHubOptions? options = null, bool time = false)
    {
        HubBench bench = new(options);
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full, Clock = time ? () => bench.Loop.NowNs : null };
        bench.Attach(device);
        return (bench, device);
    }

    private static void Clear(HubBench bench, TtBufferSelector selector) =>
        Assert.NotNull(bench.Host.Control(HubBench.Request(HubRequest.ClearTtBuffer, (ushort)selector.Raw.Value, 1)));
}
