using System.Net.Sockets;
using Dma.Machine;
using FsCheck.Fluent;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>Memory whose extents come and go, and memory that is elsewhere.</summary>
public sealed class ChangingMemoryTests
{
    private const ulong Page = 4096;
    private const int Slots = 12;

    [Fact]
    public void Memory_answers_where_an_extent_is_now_and_nowhere_else() =>
        Property.Check(
            Generate.Program(from slot in Gen.Choose(0, Slots - 1) from kind in Gen.Choose(0, 3) from pages in Gen.Choose(1, 3) select (slot, kind, pages), stepsMax: 60),
            program =>
            {
                using PhysicalMemory memory = new();
                Dictionary<int, (ulong Length, bool IsWritable, byte Content)> model = [];
                byte content = 0;
                foreach ((int slot, int kind, int pages) in program)
                {
                    PhysicalAddress start = new((ulong)slot * 4 * Page);
                    ulong length = (ulong)pages * Page;
                    Assert.Equal(model.Remove(slot), memory.Remove(start));
                    byte[] bytes = new byte[length];
                    Array.Fill(bytes, ++content);
                    switch (kind)
                    {
                        case 1:
                            memory.AddRam(start, length);
                            Assert.True(memory.TryWrite(start, bytes));
                            break;
                        case 2:
                            memory.AddRom(start, bytes);
                            break;
                        case 3:
                            SafeFileHandle file = UnixDescriptors.CreateMemory((long)(length + Page), isSealed: true);
                            RandomAccess.Write(file, bytes, (long)Page);
                            memory.AddFile(start, length, file, Page);
                            break;
                    }

                    if (kind != 0)
                        model.Add(slot, (length, kind != 2, content));
                    Compare(memory, model);
                }
            },
            count: 40);

    [Fact]
    public void What_is_elsewhere_is_asked_for_reads_and_writes_and_counts_for_nothing_else()
    {
        using PhysicalMemory memory = new(4 * Page);
        Elsewhere elsewhere = new();
        memory.AddRemote(new(8 * Page), 2 * Page, elsewhere);
        Assert.True(memory.TryWrite(new(8 * Page + 4), 0x1122_3344_5566_7788ul));
        Assert.True(memory.TryRead(new(8 * Page + 4), out uint value));
        Assert.Equal(0x5566_7788u, value);
        Assert.True(memory.TryRead(new PhysicalAddress(9 * Page), new byte[Page]));
        Assert.True(memory.TryRead(new PhysicalAddress(9 * Page), []));
        Assert.Equal(["W 4 8", "R 4 4", "R 1000 4096"], elsewhere.Log);

        // Not across its end, not as a table, not atomically; and nothing else may lie there.
        Assert.False(memory.TryRead(new PhysicalAddress((10 * Page) - 2), new byte[4]));
        Assert.False(memory.TryWrite(new PhysicalAddress((8 * Page) - 2), new byte[4]));
        Assert.False(memory.IsBacked(new(8 * Page), 8));
        Assert.False(memory.Clear(new(8 * Page), Page));
        Assert.False(memory.TryCompareExchange(new(8 * Page), 0, 1, out _));
        Assert.Throws<ArgumentException>(() => memory.AddRam(new(9 * Page), Page));
        Assert.Throws<ArgumentException>(() => memory.AddRemote(new(3 * Page), Page, elsewhere));
        Assert.Equal(3, elsewhere.Log.Count);
        elsewhere.Refuses = true;
        Assert.False(memory.TryRead(new(8 * Page), out uint _));
        Assert.False(memory.Remove(new(9 * Page)));
        Assert.True(memory.Remove(new(8 * Page)));
        Assert.False(memory.TryRead(new(8 * Page), out uint _));
        memory.AddRam(new(8 * Page), Page);
        Assert.True(memory.TryRead(new(8 * Page), out uint _));
    }

    [Fact]
    public void A_file_that_does_not_fit_stays_its_owners()
    {
        using PhysicalMemory memory = new();
        using SafeFileHandle file = UnixDescriptors.CreateMemory(2 * (long)Page, isSealed: false);
        Assert.Throws<IOException>(() => memory.AddFile(new(0), 3 * Page, file, 0));
        Assert.Throws<IOException>(() => memory.AddFile(new(0), Page, file, 2 * Page));
        Assert.Throws<ArgumentException>(() => memory.AddFile(new(0), Page, file, 8));
        Assert.Throws<ArgumentException>(() => memory.AddFile(new(8), Page, file, 0));
        Assert.False(file.IsClosed);
        Assert.Equal(2 * (long)Page, RandomAccess.GetLength(file));
        memory.AddFile(new(0), Page, file, Page);
        Assert.True(memory.Remove(new(0)));
        Assert.True(file.IsClosed);
    }

    [Fact]
    public void Descriptors_go_over_a_socket_and_mean_the_same_there()
    {
        using TemporaryFile path = new();
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path.Path));
        listener.Listen();
        using Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        left.Connect(new UnixDomainSocketEndPoint(path.Path));
        using Socket right = listener.Accept();
        byte[] bytes = new byte[8];
        List<SafeFileHandle> received = [];
        Assert.Equal((0, SocketError.WouldBlock), (UnixDescriptors.Receive(right, bytes, received, out SocketError error), error));

        using SafeFileHandle counter = UnixDescriptors.CreateEvent();
        using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Page, isSealed: true);
        using SafeFileHandle open = UnixDescriptors.CreateMemory((long)Page, isSealed: false);
        Assert.Equal(3, UnixDescriptors.Send(left, [1, 2, 3], [counter, memory, open], out _));
        Assert.Equal(2, UnixDescriptors.Send(left, [4, 5], [], out _));
        Assert.Equal(3, UnixDescriptors.Receive(right, bytes, received, out error));
        Assert.Equal(2, UnixDescriptors.Receive(right, bytes.AsSpan(3), received, out error));
        Assert.Equal([1, 2, 3, 4, 5], bytes[..5]);
        Assert.Equal(3, received.Count);
        Assert.Equal([true, false, false], received.Select(UnixDescriptors.IsEvent));
        Assert.Equal([false, true, false], received.Select(UnixDescriptors.CannotShrink));
        Assert.True(UnixDescriptors.TrySignal(received[0]));
        Assert.True(UnixDescriptors.TrySignal(received[0]));
        Assert.Equal((2ul, 0ul), (VfioUserBench.Count(counter), VfioUserBench.Count(counter)));
        RandomAccess.Write(received[1], [7], 0);
        _ = RandomAccess.Read(memory, bytes.AsSpan(0, 1), 0);
        Assert.Equal(7, bytes[0]);
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(memory, 0));
        received.ForEach(descriptor => descriptor.Dispose());
        left.Dispose();
        Assert.Equal((0, SocketError.Success), (UnixDescriptors.Receive(right, bytes, received, out error), error));
    }

    private static void Compare(PhysicalMemory memory, Dictionary<int, (ulong Length, bool IsWritable, byte Content)> model)
    {
        Assert.Equal(model.OrderBy(slot => slot.Key).Select(slot => (new PhysicalAddress((ulong)slot.Key * 4 * Page), slot.Value.Length)), memory.Extents);
        for (int slot = 0; slot < Slots; slot++)
        {
            (ulong length, bool isWritable, byte content) = model.GetValueOrDefault(slot);
            for (ulong at = 0; at < 4; at++)
            {
                PhysicalAddress address = new(((ulong)slot * 4 * Page) + (at * Page) + 8);
                bool isThere = (at * Page) < length;
                Assert.Equal((isThere, isThere ? content : 0), (memory.TryRead(address, out byte found), found));
                Assert.Equal(isThere && isWritable, memory.TryWrite(address, content));
                Assert.Equal(isThere, memory.ReadQuadwords(address).TryRead(address.Value, out ulong quadword));
                Assert.Equal(isThere ? content * 0x0101_0101_0101_0101ul : 0, quadword);
            }
        }
    }

    private sealed class Elsewhere : IRemoteMemory
    {
        private readonly byte[] _bytes = new byte[2 * Page];

        public List<string> Log { get; } = [];

        public bool Refuses { get; set; }

        public bool TryRead(ulong offset, Span<byte> destination)
        {
            Log.Add($"R {offset:X} {destination.Length}");
            if (!Refuses)
                _bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
            return !Refuses;
        }

        public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
        {
            Log.Add($"W {offset:X} {source.Length}");
            source.CopyTo(_bytes.AsSpan((int)offset));
            return !Refuses;
        }
    }
}
