using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

public sealed class EhciSmoke
{
    [Fact]
    public void Big_read()
    {
        byte[] image = new byte[64 << 20];
        new Random(1).NextBytes(image);
        using EhciBench bench = new();
        MassStorageDevice disk = new(new MemoryDiskImage(image), new ScsiDiskOptions { ReportsReset = false });
        bench.Attach(disk);
        uint control = bench.Take(128), a = bench.Take(64), b = bench.Take(64), c = bench.Take(64), data = bench.Take(32 << 10, 4096);
        bench.Write(control, EhciBench.Queue(0, 0, 64, control, isControl: true));
        bench.RunAsync(control);
        TransferToken Request(SetupPacket setup)
        {
            bench.Write(data, setup);
            bench.Transfer(a, PacketId.Setup, data, 8, b);
            if (setup.Length != 0)
            {
                bench.Transfer(b, setup.In ? PacketId.In : PacketId.Out, data + 64, setup.Length, c, c, toggle: true);
                bench.Transfer(c, setup.In ? PacketId.Out : PacketId.In, data, 0, toggle: true, interrupts: true);
            }
            else
            {
                bench.Transfer(c, PacketId.In, data, 0, toggle: true, interrupts: true);
                bench.Transfer(b, PacketId.In, data, 0, c, toggle: true);
                bench.Transfer(a, PacketId.Setup, data, 8, c);
            }
            bench.Start(control, a);
            return bench.Finish(c);
        }
        Console.WriteLine(Request(new SetupPacket { In = true, Request = 6, Value = 0x100, Length = 18 }));
        Console.WriteLine(Convert.ToHexString(bench.ReadBytes(data + 64, 18)));
        Console.WriteLine(Request(new SetupPacket { Request = 5, Value = 7 }));
        QueueHead q = bench.Read<QueueHead>(control);
        bench.Write(control, q with { Characteristics = q.Characteristics with { DeviceAddress = 7 } });
        Console.WriteLine(Request(new SetupPacket { Request = 9, Value = 1 }));

        uint qin = bench.Take(128), qout = bench.Take(128);
        bench.Write(qin, EhciBench.Queue(7, 1, 512, qout, isHead: false));
        bench.Write(qout, EhciBench.Queue(7, 2, 512, control, isHead: false));
        q = bench.Read<QueueHead>(control);
        bench.Write(control, q with { Horizontal = new() { Type = LinkType.QueueHead, Address = qin } });
        uint cbw = bench.Take(64), csw = bench.Take(64), tOut = bench.Take(64), tCsw = bench.Take(64);
        const int Chunk = 1 << 20;
        uint big = bench.Take(Chunk, 4096);
        int n = Chunk / 0x4000;
        uint tds = bench.Take(n * 64);
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        ulong start = bench.Loop.NowNs;
        long alloc = GC.GetAllocatedBytesForCurrentThread();
        for (int at = 0; at < image.Length; at += Chunk)
        {
            bench.WriteBytes(cbw, Packed.ToArray(new CommandBlockWrapper
            {
                Signature = CommandBlockWrapper.ValidSignature, Tag = (uint)at, DataLength = Chunk, In = true, CommandLength = 10,
                Command = new CommandBlock10 { Operation = ScsiOperation.Read10, LogicalBlock = (uint)(at / 512), Length = Chunk / 512 }.Block,
            }, 31));
            bench.Transfer(tOut, PacketId.Out, cbw, 31);
            for (int i = 0; i < n; i++)
                bench.Transfer(tds + (uint)(64 * i), PacketId.In, big + (uint)(0x4000 * i), 0x4000, i + 1 < n ? tds + (uint)(64 * (i + 1)) : tCsw);
            bench.Transfer(tCsw, PacketId.In, csw, 13, interrupts: true);
            bench.Start(qin, tds);
            bench.Start(qout, tOut);
            TransferToken done = bench.Finish(tCsw);
            Assert.False(done.Active || done.Halted);
            Assert.True(bench.ReadBytes(big, Chunk).AsSpan().SequenceEqual(image.AsSpan(at, Chunk)));
        }

        Console.WriteLine($"{watch.ElapsedMilliseconds} ms, virtual {(bench.Loop.NowNs - start) / 1000} us, alloc {GC.GetAllocatedBytesForCurrentThread() - alloc}, events {bench.Loop.EventsRun}, uframes {bench.Controller.Statistics.Microframes} visits {bench.Controller.Statistics.Visits}");
    }
}
