using System.Runtime.InteropServices;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>iTDs: isochronous transfers at high speed.</summary>
public sealed class EhciIsochronousTests
{
    private const int MicroframeNs = 125_000;
    private const int Frames = 4;

    /// <summary>A stream: how much in each microframe, and in how many packets at most.</summary>
    public sealed record Stream(bool IsIn, int Multiplier, int MaxPacket, int[] Bytes, int Offset, bool Is64Bit, int Seed);

    private static Gen<Stream> Streams =>
        from isIn in Gen.Elements(false, true)
        from multiplier in Gen.Choose(1, 3)
        from maxPacket in Gen.Elements(1, 24, 192, 1023, 1024)
        from bytes in Gen.ArrayOf(Gen.OneOf(Gen.Choose(0, multiplier * maxPacket), Gen.Constant(multiplier * maxPacket), Gen.Constant(-1)), 8 * Frames)
        from offset in Gen.Choose(0, 4095)
        from is64Bit in Gen.Elements(false, true)
        from seed in ArbMap.Default.GeneratorFor<int>()
        select new Stream(isIn, multiplier, maxPacket, bytes, offset, is64Bit, seed);

    [Fact]
    public void A_stream_moves_byte_for_byte_each_slot_in_its_microframe() => Property.Check(
        Streams,
        stream =>
        {
            using EhciBench bench = new(new() { Addresses64Bit = stream.Is64Bit });
            Random random = new(stream.Seed);
            List<byte> sent = [];
            ulong begin = 0;
            ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
            bench.Attach(device);
            uint[] descriptors = [.. Enumerable.Range(0, Frames).Select(_ => bench.Take(128))];
            uint[] buffers = [.. Enumerable.Range(0, Frames).Select(_ => bench.Take(8 * 4096, 4096))];
            byte[] content = new byte[Frames * 8 * 4096];
            random.NextBytes(content);
            for (int frame = 0; frame < Frames; frame++)
            {
                if (!stream.IsIn)
                    bench.WriteBytes(buffers[frame], content.AsSpan(frame * 8 * 4096, 8 * 4096));
                bench.Write(descriptors[frame], Descriptor(stream, frame, buffers[frame]));
                bench.Write(EhciBench.FrameList + (4 * (uint)frame), new LinkPointer { Type = LinkType.IsochronousTransfer, Address = descriptors[frame] });
            }

            for (uint frame = Frames; frame < 1024; frame++)
                bench.Write(EhciBench.FrameList + (4 * frame), new LinkPointer { Terminate = true });

            // The device gives what it is asked for, split as its packet size says; so it was told how much that is.
            int slot = -1;
            int left = 0;
            device.Gives = (_, room) =>
            {
                int now = (int)((bench.Loop.NowNs - begin) / MicroframeNs);
                (slot, left) = slot == now ? (slot, left) : (now, stream.Bytes[now]);
                int length = Math.Min(left, stream.MaxPacket);
                random.NextBytes(room.Span[..length]);
                sent.AddRange(room.Span[..length]);
                left -= length;
                int following = Math.Min(left == 0 ? 0 : (left + stream.MaxPacket - 1) / stream.MaxPacket, 2);
                return UsbReply.Data((UsbPid[])[UsbPid.Data0, UsbPid.Data1, UsbPid.Data2] is var pids ? pids[following] : default, length);
            };
            device.Takes = static (_, _) => UsbReply.Silence;
            bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
            begin = bench.Loop.NowNs;
            bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 1 };
            bench.Loop.RunFor((8 * Frames * MicroframeNs) + 1000);

            int at = 0;
            for (int microframe = 0; microframe < 8 * Frames; microframe++)
            {
                (int frame, int index) = (microframe / 8, microframe % 8);
                IsochronousSlot done = SlotOf(bench, descriptors[frame], index);
                int bytes = stream.Bytes[microframe];
                Assert.False(done.Active || done.Babble || done.TransactionError || done.BufferError, $"{microframe}: {done}");
                int packets = device.Times.Count(time => (time - begin) / MicroframeNs == (ulong)microframe);
                Assert.Equal(bytes < 0 ? 0 : Math.Max((bytes + stream.MaxPacket - 1) / stream.MaxPacket, 1), packets);
                if (bytes <= 0)
                    continue;
                if (stream.IsIn)
                {
                    Assert.Equal(bytes, done.Length);
                    Assert.Equal(sent.Slice(at, bytes), bench.ReadBytes((uint)(buffers[frame] + Place(stream, index)), bytes));
                    at += bytes;
                }
            }

            if (!stream.IsIn)
                CheckPackets(stream, device);
        },
        count: 25);

    [Fact]
    public void What_goes_wrong_stands_in_the_slot_and_nothing_is_repeated()
    {
        (UsbReply First, int Multiplier, Func<IsochronousSlot, bool> IsRight)[] table =
        [
            (UsbReply.Silence, 1, slot => slot is { TransactionError: true, Babble: false, Length: 0 }),
            (UsbReply.Nak, 1, slot => slot is { TransactionError: true, Babble: false, Length: 0 }),
            (UsbReply.Data(UsbPid.Data0, 65), 1, slot => slot is { TransactionError: false, Babble: true, Length: 0 }),
            (UsbReply.Data(UsbPid.Data1, 64), 1, slot => slot is { TransactionError: true, Babble: false, Length: 0 }),
            (UsbReply.Data(UsbPid.Data2, 64), 2, slot => slot is { TransactionError: true, Babble: false, Length: 0 }),
            (UsbReply.Data(UsbPid.DataM, 64), 3, slot => slot is { TransactionError: true, Babble: false, Length: 0 }),
            (UsbReply.Data(UsbPid.Data0, 20), 3, slot => slot is { TransactionError: false, Babble: false, Length: 20 }),
        ];
        foreach ((UsbReply first, int multiplier, Func<IsochronousSlot, bool> isRight) in table)
        {
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1, Gives = (_, _) => first };
            bench.Attach(device);
            uint at = One(bench, new(IsIn: true, multiplier, 64, [.. Enumerable.Repeat(multiplier * 64, 8)], 0, true, 0), interrupts: 0b10, active: 0b10);
            bench.Loop.RunFor((4 * MicroframeNs) - 10);
            IsochronousSlot slot = SlotOf(bench, at, 1);
            Assert.True(!slot.Active && isRight(slot), $"{first}: {slot}");
            Assert.Single(device.Heard);
            Assert.True(bench.Status.TransferInterrupt);
            Assert.Equal(slot.Babble || slot.TransactionError, bench.Status.ErrorInterrupt);
        }
    }

    [Fact]
    public void Pages_behind_the_seventh_are_an_error_of_the_buffer_and_nothing_is_moved()
    {
        foreach ((int page, int offset, bool fits) in ((int, int, bool)[])[(5, 4095, true), (6, 4096 - 64, true), (6, 4096 - 63, false), (7, 0, false)])
        {
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1, Takes = static (_, _) => UsbReply.Silence };
            bench.Attach(device);
            Stream stream = new(IsIn: false, 1, 64, [.. Enumerable.Repeat(64, 8)], 0, true, 0);
            uint at = One(bench, stream, interrupts: 0, active: 0);
            Span<IsochronousSlot> slot = [new() { Active = true, Length = 64, PageSelect = page, Offset = offset }];
            bench.WriteBytes(at + IsochronousTransferDescriptor.SlotsOffset, MemoryMarshal.AsBytes(slot));
            bench.Loop.RunFor((8 * 1024 * MicroframeNs) - 10);
            IsochronousSlot done = SlotOf(bench, at, 0);
            Assert.True(!done.Active && done.BufferError != fits, $"{page}, {offset}: {done}");
            Assert.Equal(fits ? 1 : 0, device.Heard.Count);
        }
    }

    [Fact]
    public void A_slot_that_would_not_end_in_its_microframe_is_left_as_it_is()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1, Takes = static (_, _) => UsbReply.Silence, Clock = () => bench.Loop.NowNs };
        bench.Attach(device);
        Stream stream = new(IsIn: false, 3, 1024, [.. Enumerable.Repeat(3072, 8)], 0, true, 0);
        uint[] all = [.. Enumerable.Range(0, 3).Select(_ => One(bench, stream, interrupts: 0, active: 0xFF))];
        for (int index = 0; index < 2; index++)
            bench.Write(all[index], bench.Read<IsochronousTransferDescriptor>(all[index]) with { Next = new() { Address = all[index + 1] } });
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), new LinkPointer { Address = all[0] });
        ulong begin = bench.Loop.NowNs;
        bench.Loop.RunFor((8 * MicroframeNs) - 1);

        // Two times three packets of 1024 bytes are 104 us; a third does not fit.
        Assert.Equal(2 * 3 * 8, device.Heard.Count);
        Assert.All(device.Times, time => Assert.True(((time - begin) % MicroframeNs) + WireTime.HighSpeedIsochronous(1024) <= MicroframeNs));
        for (int index = 0; index < 8; index++)
            Assert.Equal((false, false, true), (SlotOf(bench, all[0], index).Active, SlotOf(bench, all[1], index).Active, SlotOf(bench, all[2], index).Active));
    }

    private static int Place(Stream stream, int index) => ((index * 3072) + stream.Offset) % (6 * 4096);

    // Eight slots over one buffer of seven pages, each somewhere in it.
    private static IsochronousTransferDescriptor Descriptor(Stream stream, int frame, uint buffer, int interrupts = 0, int active = 0xFF)
    {
        Span<uint> words = stackalloc uint[IsochronousTransferDescriptor.Size64 / 4];
        words[0] = 1;
        for (int index = 0; index < 8; index++)
        {
            int bytes = stream.Bytes[(8 * frame) + index];
            int place = Place(stream, index);
            words[1 + index] = new IsochronousSlot
            {
                Active = bytes >= 0 && (active >> index & 1) != 0,
                Length = Math.Max(bytes, 0),
                PageSelect = place / 4096,
                Offset = place % 4096,
                InterruptOnComplete = (interrupts >> index & 1) != 0,
            }.Raw.Value;
        }

        for (int page = 0; page < 7; page++)
            words[9 + page] = buffer + (uint)(page * 4096);
        words[9] |= 1 | (2 << 8);
        words[10] |= (uint)stream.MaxPacket | (stream.IsIn ? 1u << 11 : 0);
        words[11] |= (uint)stream.Multiplier;
        return MemoryMarshal.Read<IsochronousTransferDescriptor>(MemoryMarshal.AsBytes(words));
    }

    private static uint One(EhciBench bench, Stream stream, int interrupts, int active)
    {
        uint at = bench.Take(128);
        bench.Write(at, Descriptor(stream, 0, bench.Take(8 * 4096, 4096), interrupts, active));
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), frame == 0 ? new LinkPointer { Address = at } : new() { Terminate = true });
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 1 };
        return at;
    }

    private static IsochronousSlot SlotOf(EhciBench bench, uint descriptor, int index) =>
        new(new(bench.Read<uint>(descriptor + IsochronousTransferDescriptor.SlotsOffset + (4 * (uint)index))));

    // DATA0 alone; MDATA, DATA1; MDATA, MDATA, DATA2.
    private static void CheckPackets(Stream stream, ScriptedDevice device)
    {
        List<(UsbPid, int)> expected = [];
        foreach (int bytes in stream.Bytes.Where(bytes => bytes >= 0))
        {
            int count = Math.Max((bytes + stream.MaxPacket - 1) / stream.MaxPacket, 1);
            for (int packet = 0; packet < count; packet++)
            {
                UsbPid last = count == 1 ? UsbPid.Data0 : count == 2 ? UsbPid.Data1 : UsbPid.Data2;
                expected.Add((packet == count - 1 ? last : UsbPid.DataM, Math.Min(stream.MaxPacket, bytes - (packet * stream.MaxPacket))));
            }
        }

        Assert.Equal(expected, device.Heard.Select(heard => (heard.Data, heard.Length)));
    }
}
