using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whoever watches frames is told of every write to them and of no other, and memory is the same watched or not.</summary>
public sealed class MemoryWatchTests
{
    private const ulong Page = 4096;
    private const ulong Far = 1ul << 40;
    private static readonly ulong[] s_extents = [0, Far];

    [Fact]
    public void Each_write_to_a_watched_frame_is_told_once_and_memory_holds_it_already() => Property.Check(
        Generate.Program(Writes, stepsMax: 30),
        program =>
        {
            using PhysicalMemory memory = New();
            using PhysicalMemory plain = New();
            Teller teller = new(memory);
            using MemoryWatch watch = memory.Watch(teller);
            HashSet<ulong> frames = [];
            foreach (Write step in program)
            {
                if (step.Kind == 0)
                {
                    bool added = frames.Add(step.Address >> 12);
                    (added ? (Action<PhysicalAddress>)watch.Add : watch.Remove)(new(step.Address));
                    if (!added)
                        frames.Remove(step.Address >> 12);
                    continue;
                }

                bool done = step.Run(memory);
                Assert.Equal(done, step.Run(plain));
                ulong last = (step.Address + step.Length - 1) >> 12;
                bool watched = done && frames.Any(frame => frame >= step.Address >> 12 && frame <= last);
                Assert.Equal(watched ? [(step.Address, step.Length)] : [], teller.Take());
            }

            AssertSame(memory, plain);
        });

    [Fact]
    public void A_watch_that_is_disposed_is_told_nothing_and_others_go_on()
    {
        using PhysicalMemory memory = New();
        Teller first = new(memory);
        Teller second = new(memory);
        MemoryWatch gone = memory.Watch(first);
        using MemoryWatch stays = memory.Watch(second);
        gone.Add(new(0));
        stays.Add(new(0));
        Assert.True(memory.TryWrite(new PhysicalAddress(8), 1ul));
        Assert.Equal([(8ul, 8ul)], first.Take());
        gone.Dispose();
        Assert.True(memory.TryWrite(new PhysicalAddress(8), 2ul));
        Assert.Empty(first.Take());
        Assert.Equal([(8ul, 8ul), (8ul, 8ul)], second.Take());
    }

    private static Gen<Write> Writes =>
        from kind in Gen.Choose(0, 5)
        from extent in Gen.Elements(s_extents)
        from offset in Gen.Choose(0, 5 * (int)Page)
        from length in Gen.Elements(1, 2, 8, 64, 4096, 9000)
        from value in Generate.Any64
        select new Write(kind, extent + (ulong)(kind == 3 ? offset & ~7 : offset), kind switch { 1 or 3 => 8u, 2 => 64u, _ => (ulong)length }, value);

    private static PhysicalMemory New()
    {
        PhysicalMemory memory = new(4 * Page);
        memory.AddRam(new(Far), 3 * Page);
        return memory;
    }

    private static void AssertSame(PhysicalMemory left, PhysicalMemory right)
    {
        foreach ((PhysicalAddress start, ulong length) in left.Extents)
        {
            byte[] one = new byte[length];
            byte[] other = new byte[length];
            Assert.True(left.TryRead(start, one.AsSpan()) && right.TryRead(start, other.AsSpan()));
            Assert.Equal(one, other);
        }
    }

    private readonly record struct Write(int Kind, ulong Address, ulong Length, ulong Value)
    {
        public bool Run(PhysicalMemory memory) => Kind switch
        {
            1 => memory.TryWrite(new PhysicalAddress(Address), Value),
            2 => memory.TryWrite(new PhysicalAddress(Address), new Bits512(Value, Value, 0, 0, 0, 0, 0, Value)),
            3 => memory.TryRead(new PhysicalAddress(Address), out ulong found)
                && memory.TryCompareExchange(new(Address), found, Value, out _),
            4 => memory.Clear(new(Address), Length),
            _ => memory.TryWrite(new PhysicalAddress(Address), Enumerable.Repeat((byte)Value, (int)Length).ToArray()),
        };
    }

    private sealed class Teller(PhysicalMemory memory) : IMemoryWatcher
    {
        private List<(ulong, ulong)> _told = [];

        public void Written(PhysicalAddress address, ulong length)
        {
            Assert.True(memory.IsBacked(address, length));
            _told.Add((address.Value, length));
        }

        public List<(ulong, ulong)> Take()
        {
            List<(ulong, ulong)> told = _told;
            _told = [];
            return told;
        }
    }
}
