using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Split transactions are a way for packets, not a change of them.</summary>
public sealed class EhciSplitEquivalenceTests
{
    /// <summary>A transfer as software asks for it, and how the device behaves.</summary>
    public sealed record Job(bool IsIn, int Bytes, int MaxPacket, int Offset, int DeviceBytes, bool IsLow, int Seed);

    private static Gen<Job> Jobs =>
        from isIn in Gen.Elements(false, true)
        from isLow in Gen.Elements(false, false, true)
        from maxPacket in Gen.Elements(8, 16, 64)
        from bytes in Gen.Choose(0, 600)
        from offset in Gen.Choose(0, 4095)
        from deviceBytes in Gen.OneOf(Gen.Constant(bytes), Gen.Choose(0, bytes))
        from seed in ArbMap.Default.GeneratorFor<int>()
        select new Job(isIn, bytes, isLow ? 8 : maxPacket, offset, deviceBytes, isLow, seed);

    [Fact]
    public void A_device_behind_a_hub_moves_the_same_bytes_as_on_a_bus_of_its_own() => Property.Check(
        Jobs,
        job =>
        {
            using SplitBench split = new();
            ScriptedDevice device = Script(job, out List<byte> behind, out byte[] content);
            split.Attach(device);
            EhciBench bench = split.Bench;
            uint buffer = bench.Take(0x3000, 4096) + (uint)job.Offset;
            bench.WriteBytes(buffer, job.IsIn ? new byte[job.Bytes] : content);
            uint transfer = bench.Take(64);
            bench.Transfer(transfer, job.IsIn ? PacketId.In : PacketId.Out, buffer, job.Bytes, interrupts: true);
            uint queue = split.Ring(SplitBench.Queue(9, 1, job.MaxPacket, job.IsLow ? EndpointSpeed.Low : EndpointSpeed.Full), transfer);
            bench.RunAsync(queue);
            TransferToken token = bench.Finish(transfer);
            bench.Loop.RunFor(1_000_000);

            ScriptedDevice twin = Script(job, out List<byte> alone, out _);
            (int moved, byte[] received) = Alone(twin, job, content);
            Assert.False(token.Active || token.Halted || token.TransactionError || token.SplitTransactionState, $"{token}");
            Assert.Equal(moved, job.Bytes - token.TotalBytes);
            Assert.Equal(twin.Heard, device.Heard);
            Assert.Equal(alone, behind);
            Assert.Equal(twin.Acknowledged, device.Acknowledged);
            if (job.IsIn)
                Assert.Equal(received, bench.ReadBytes(buffer, moved));
            Assert.True(bench.Status.TransferInterrupt && !bench.Status.ErrorInterrupt);
        },
        count: 30);

    // A device with a mood of its own: what it says depends on the seed and on what it heard alone, not on the time.
    private static ScriptedDevice Script(Job job, out List<byte> taken, out byte[] content)
    {
        Random random = new(job.Seed);
        byte[] data = new byte[job.Bytes];
        random.NextBytes(data);
        List<byte> bytes = [];
        int sent = 0;
        bool toggle = false;
        ScriptedDevice device = new() { Address = 9, Speed = job.IsLow ? UsbSpeed.Low : UsbSpeed.Full };
        device.Gives = (_, room) =>
        {
            if (random.Next(3) == 0)
                return UsbReply.Nak;
            int length = Math.Min(Math.Min(job.MaxPacket, job.Bytes - sent), job.DeviceBytes - sent);
            data.AsSpan(sent, length).CopyTo(room.Span);
            sent += length;
            toggle = !toggle;
            return UsbReply.Data(!toggle, length);
        };
        device.Takes = (_, length) =>
        {
            if (random.Next(3) == 0)
                return UsbReply.Nak;
            bytes.Add((byte)length);
            return UsbReply.Ack;
        };
        (taken, content) = (bytes, data);
        return device;
    }

    // The same transfer on a bus that is full speed itself: packets one after the other until they are through.
    private static (int Moved, byte[] Received) Alone(ScriptedDevice device, Job job, byte[] content)
    {
        UsbTestHost host = new(device, UsbSpeed.Full);
        byte[] packet = new byte[UsbBus.PacketMax];
        List<byte> received = [];
        int moved = 0;
        bool toggle = false;
        do
        {
            int length = Math.Min(job.MaxPacket, job.Bytes - moved);
            if (!job.IsIn)
            {
                UsbPid pid = host.Bus.Out(new(UsbPid.Out, 9, 1), toggle ? UsbPid.Data1 : UsbPid.Data0, content.AsSpan(moved, length)).Pid;
                if (pid != UsbPid.Ack)
                    continue;
                (moved, toggle) = (moved + length, !toggle);
                continue;
            }

            UsbReply reply = host.Bus.In(new(UsbPid.In, 9, 1), packet);
            if (!reply.IsData)
                continue;
            host.Bus.EndIn(new(UsbPid.In, 9, 1), reply, packet.AsSpan(0, reply.Length), acknowledged: true);
            received.AddRange(packet.AsSpan(0, reply.Length));
            (moved, toggle) = (moved + reply.Length, !toggle);
            if (reply.Length < length)
                break;
        }
        while (moved < job.Bytes || (job.Bytes == 0 && !toggle));
        return (moved, [.. received]);
    }
}
