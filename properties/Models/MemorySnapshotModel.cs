using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Snapshots beside whole copies, and what they cost on memory that is mostly not there.</summary>
public sealed class MemorySnapshotModel : IDisposable
{
    private const ulong Page = 4096;
    private const ulong Terabyte = 1ul << 40;

    private readonly TemporaryFile _file = new();

    public void Dispose() => _file.Dispose();

    [Fact]
    public void Exactly_the_bytes_that_differ_are_found() =>
        Property.Check(
            from before in Generate.Program(Writes, stepsMax: 30).Generator
            from after in Generate.Program(Writes, stepsMax: 30).Generator
            select (before, after),
            test =>
            {
                const int Bytes = (int)(12 * Page);
                _file.Dispose();
                using PhysicalMemory memory = new();
                memory.AddRam(new(0), 4 * Page);
                memory.AddFile(new(4 * Page), 4 * Page, _file.Path);
                memory.AddRam(new(8 * Page), 4 * Page);
                Apply(memory, test.before);
                byte[] then = new byte[Bytes];
                Assert.True(memory.TryRead(new(0), then));
                MemorySnapshot whole = new(memory);
                MemorySnapshot part = new(memory, [(new(10 * Page), 5 * Page), (new(3 * Page), 2 * Page)]);
                Assert.Equal(0ul, whole.CountChangedBytes(memory));

                Apply(memory, test.after);
                byte[] now = new byte[Bytes];
                Assert.True(memory.TryRead(new(0), now));
                ulong[] changed = [.. Enumerable.Range(0, Bytes).Where(at => then[at] != now[at]).Select(at => (ulong)at)];
                Assert.Equal(changed, Addresses(whole, memory));
                Assert.Equal((ulong)changed.Length, whole.CountChangedBytes(memory));
                Assert.Equal((ulong)changed.Count(at => at % 3 != 0), whole.CountChangedBytes(memory, address => address.Value % 3 == 0));
                Assert.Equal(
                    changed.Where(at => at >= 10 * Page).Concat(changed.Where(at => at >= 3 * Page && at < 5 * Page)), Addresses(part, memory));
            });

    [Fact]
    public void Sparse_terabytes_are_compared_without_touching_them()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells which pages were touched.");
        using PhysicalMemory memory = new(Terabyte);
        const ulong Range = 64ul << 30;
        Assert.True(memory.TryWrite(new(Range / 2), 1ul));
        Assert.True(memory.TryRead(new(Range / 4), out ulong _));
        // Some kernels give a page that is read a frame of its own, others the page of zeros that all share.
        ulong resident = memory.ResidentBytes(new(0), Range);
        Assert.InRange(resident, Page, 2 * Page);
        (PhysicalAddress, ulong)[] ranges = [(new(0), Range)];
        MemorySnapshot snapshot = new(memory, ranges);
        Assert.Equal(Page, snapshot.CopiedBytes);
        Assert.Equal(resident, memory.ResidentBytes(new(0), Range));

        Assert.True(memory.TryWrite(new(Range - 1), (byte)1));
        Assert.True(memory.TryWrite(new((Range / 2) + 1), (byte)1));
        Assert.True(memory.TryWrite(new(Range), (byte)1));
        Assert.Equal(2ul, snapshot.CountChangedBytes(memory));
        Assert.Equal(resident + Page, memory.ResidentBytes(new(0), Range));
    }

    [Fact]
    public void A_run_of_pages_is_one_run_wherever_it_lies()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells which pages were touched.");
        using PhysicalMemory memory = new(1ul << 30);
        const ulong Border = 128ul << 20;
        (PhysicalAddress Start, ulong Length)[] runs =
            [(new(0), Page), (new(Border - (3 * Page)), 5 * Page), (new((2 * Border) - Page), Page), (new((1ul << 30) - Page), Page)];
        foreach ((PhysicalAddress start, ulong length) in runs)
        {
            for (ulong at = 0; at < length; at += Page)
                Assert.True(memory.TryWrite(start + at, 1));
        }

        Assert.Equal(runs, memory.Populated(new(0), 1ul << 30));
        Assert.Equal([(new PhysicalAddress(Border - 1), 3ul)], memory.Populated(new(Border - 1), 3));
        Assert.Equal(8 * Page, new MemorySnapshot(memory).CopiedBytes);
    }

    [Fact]
    public void A_page_that_was_given_back_counts_as_zeros()
    {
        using PhysicalMemory memory = new(64 * Page);
        Assert.True(memory.TryWrite(new(Page), new byte[] { 1, 0, 2 }));
        MemorySnapshot snapshot = new(memory);
        Assert.True(memory.Clear(new(0), 64 * Page));
        Assert.Equal([(new PhysicalAddress(Page), 1), (new PhysicalAddress(Page + 2), 1)], snapshot.Changes(memory));
        Assert.True(memory.TryWrite(new(Page), new byte[] { 1, 0, 2 }));
        Assert.Empty(snapshot.Changes(memory));
    }

    [Fact]
    public void What_another_process_wrote_into_a_file_is_found()
    {
        using PhysicalMemory memory = new();
        memory.AddFile(new(0), 1ul << 30, _file.Path);
        MemorySnapshot snapshot = new(memory);
        Assert.Equal(0ul, snapshot.CopiedBytes);
        using (FileStream stream = new(_file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.Position = 1 << 29;
            stream.Write([1, 2, 3]);
        }

        Assert.Equal(3ul, snapshot.CountChangedBytes(memory));
    }

    [Fact]
    public void A_snapshot_is_made_of_whole_pages()
    {
        using PhysicalMemory memory = new(Page);
        Assert.Throws<ArgumentException>(() => new MemorySnapshot(memory, [(new(1), Page)]));
        Assert.Throws<ArgumentException>(() => new MemorySnapshot(memory, [(new(0), 5)]));
    }

    private static Gen<(int Address, byte[] Bytes)> Writes =>
        from page in Gen.Choose(0, 11)
        from offset in Gen.Elements(0, 1, 5, 2000, 4090, 4095)
        from length in Gen.Choose(1, 12)
        from value in Gen.ArrayOf(Gen.Elements<byte>(0, 1, 2), length)
        select (Math.Min((page * (int)Page) + offset, (12 * (int)Page) - length), value);

    private static void Apply(PhysicalMemory memory, (int Address, byte[] Bytes)[] writes)
    {
        foreach ((int address, byte[] bytes) in writes)
            Assert.True(memory.TryWrite(new((ulong)address), bytes));
    }

    private static IEnumerable<ulong> Addresses(MemorySnapshot snapshot, PhysicalMemory memory) =>
        snapshot.Changes(memory).SelectMany(run => Enumerable.Range(0, run.Length).Select(at => run.Start.Value + (ulong)at));
}
