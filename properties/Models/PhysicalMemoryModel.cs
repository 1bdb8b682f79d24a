using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Memory of several extents beside a dictionary of bytes.</summary>
public sealed class PhysicalMemoryModel : IDisposable
{
    private const ulong Page = 4096;
    private const ulong Terabyte = 1ul << 40;
    private const ulong FileStart = 0x100_0000;
    private const ulong FileLength = 4 * Page;

    // Two that touch, a file, a terabyte, and the last two pages that there are.
    private static readonly (ulong Start, ulong Length)[] Extents =
    [
        (0, 16 * Page), (16 * Page, 2 * Page), (FileStart, FileLength), (Terabyte, Terabyte), ((1ul << 52) - (2 * Page), 2 * Page),
    ];

    private readonly TemporaryFile _file = new();

    public void Dispose() => _file.Dispose();

    [Fact]
    public void Memory_is_a_dictionary_of_bytes_where_it_is_backed_and_nothing_elsewhere() =>
        Property.Check(
            Generate.Program(Steps, stepsMax: 40),
            program =>
            {
                _file.Dispose();
                using PhysicalMemory memory = NewMemory();
                using PhysicalMemory other = new();
                other.AddFile(new(0), FileLength, _file.Path);
                Dictionary<ulong, byte> model = [];
                foreach (Step step in program)
                    step.Run(memory, model);

                // Every byte that was written is there, and its neighbours are zeros; the other mapping sees the file.
                foreach (ulong address in model.Keys)
                {
                    Assert.True(memory.TryRead(new(address), out byte found));
                    Assert.Equal(model[address], found);
                    if (IsBacked(address + 1, 1))
                    {
                        Assert.True(memory.TryRead(new(address + 1), out byte next));
                        Assert.Equal(model.GetValueOrDefault(address + 1), next);
                    }

                    if (address - FileStart < FileLength)
                    {
                        Assert.True(other.TryRead(new(address - FileStart), out byte shared));
                        Assert.Equal(model[address], shared);
                    }
                }
            });

    [Fact]
    public void A_range_may_begin_anywhere_in_a_file()
    {
        using PhysicalMemory whole = new();
        using PhysicalMemory parts = new();
        parts.AddFile(new(Terabyte), 2 * Page, _file.Path, fileOffset: 2 * Page);
        parts.AddFile(new(0), 2 * Page, _file.Path);
        whole.AddFile(new(0), FileLength, _file.Path);
        Assert.True(parts.TryWrite(new(Terabyte + Page + 8), 0xABCDul));
        Assert.True(whole.TryRead(new(3 * Page + 8), out ulong found));
        Assert.Equal(0xABCDul, found);
        Assert.True(whole.TryWrite(new(Page), 7ul));
        Assert.True(parts.TryRead(new(Page), out found));
        Assert.Equal(7ul, found);
        foreach ((PhysicalAddress start, ulong length) in parts.Populated(new(Terabyte), 2 * Page))
            Assert.True(start.Value >= Terabyte && start.Value + length <= Terabyte + (2 * Page) && start.Value + length > Terabyte + Page);
        Assert.NotEmpty(parts.Populated(new(Terabyte), 2 * Page));
        Assert.Throws<ArgumentException>(() => parts.AddFile(new(16 * Page), Page, _file.Path, fileOffset: 8));
    }

    [Fact]
    public void A_write_through_one_mapping_is_read_through_the_other()
    {
        using PhysicalMemory left = new();
        using PhysicalMemory right = new();
        left.AddFile(new(0), FileLength, _file.Path);
        right.AddFile(new(Terabyte), 2 * Page, _file.Path);
        Assert.True(left.TryWrite(new(Page - 2), 0x1122_3344_5566_7788ul));
        Assert.True(right.TryRead(new(Terabyte + Page - 2), out ulong seen));
        Assert.Equal(0x1122_3344_5566_7788ul, seen);
        Assert.True(right.TryCompareExchange(new(Terabyte), 0, 5, out ulong before));
        Assert.True(left.TryCompareExchange(new(0), 4, 6, out ulong refused));
        Assert.Equal((0ul, 5ul), (before, refused));
        Assert.Equal((long)FileLength, new FileInfo(_file.Path).Length);
        Assert.False(right.TryRead(new(Terabyte + (2 * Page)), out byte _));
    }

    [Fact]
    public void Extents_that_cannot_be_are_refused_and_leave_memory_as_it_was()
    {
        using PhysicalMemory memory = new(16 * Page);
        foreach ((ulong start, ulong length) in ((ulong, ulong)[])[
            (15 * Page, Page), (0, Page), (16 * Page, 0), (16 * Page, 100), (100, Page), (1ul << 52, Page), ((1ul << 52) - Page, 2 * Page),
            (ulong.MaxValue - Page + 1, Page), (16 * Page, ulong.MaxValue - Page + 1)])
        {
            Assert.Throws<ArgumentException>(() => memory.AddRam(new(start), length));
            Assert.Throws<ArgumentException>(() => memory.AddFile(new(start), length, _file.Path));
        }

        Assert.ThrowsAny<Exception>(() => memory.AddFile(new(16 * Page), Page, Path.Combine(_file.Path, "below", "a", "file")));
        Assert.Equal([(new PhysicalAddress(0), 16 * Page)], memory.Extents);
        for (int more = 1; more < PhysicalMemory.ExtentsMax; more++)
            memory.AddRam(new((ulong)(2 * more) * 16 * Page), Page);
        Assert.Throws<ArgumentException>(() => memory.AddRam(new(Terabyte), Page));
        Assert.Equal(PhysicalMemory.ExtentsMax, memory.Extents.Count());
    }

    [Fact]
    public void An_empty_access_succeeds_where_its_address_is_backed()
    {
        using PhysicalMemory memory = NewMemory();
        foreach (ulong address in (ulong[])[0, (16 * Page) - 1, 16 * Page, (18 * Page) - 1, 18 * Page, FileStart - 1, Terabyte, (1ul << 52) - 1, 1ul << 52, ulong.MaxValue])
        {
            bool backed = IsBacked(address, 1);
            Assert.Equal(backed, memory.TryRead(new(address), []));
            Assert.Equal(backed, memory.TryWrite(new(address), []));
            Assert.Equal(backed, memory.IsBacked(new(address), 0));
        }

        Assert.True(memory.IsBacked(new(Terabyte), Terabyte));
        Assert.False(memory.IsBacked(new(Terabyte), Terabyte + 1));
        Assert.False(memory.IsBacked(new(Terabyte), ulong.MaxValue));
        Assert.False(memory.Clear(new(Terabyte), ulong.MaxValue));
        Assert.Equal(2ul * Page, memory.Populated(new((1ul << 52) - 1), ulong.MaxValue).Aggregate(2 * Page, (sum, run) => sum + run.Length));
    }

    private PhysicalMemory NewMemory()
    {
        PhysicalMemory memory = new();
        foreach ((ulong start, ulong length) in Extents)
        {
            if (start == FileStart)
                memory.AddFile(new(start), length, _file.Path);
            else
                memory.AddRam(new(start), length);
        }

        return memory;
    }

    private static bool IsBacked(ulong address, ulong length) =>
        Enumerable.Range(0, (int)length).All(at => Extents.Any(extent => address + (ulong)at - extent.Start < extent.Length));

    // Addresses near every place where something begins or ends, the end of the address space included.
    private static Gen<ulong> Addresses =>
        from border in Gen.Elements([.. Extents.SelectMany(extent => (ulong[])[extent.Start, extent.Start + extent.Length]), Terabyte + (Terabyte / 2), 0ul])
        from distance in Gen.Choose(-40, 40)
        select border + (ulong)distance;

    private static Gen<Step> Steps => Gen.Frequency(
        (3, from address in Addresses from length in Gen.Choose(0, 48) select new Step("read", address, length, 0)),
        (4, from address in Addresses from length in Gen.Choose(0, 48) from value in Generate.Any64 select new Step("write", address, length, value)),
        (4, from address in Addresses from width in Generate.Width from value in Generate.Any64 select new Step("store", address, width, value)),
        (2, from address in Addresses from value in Generate.Any64 select new Step("exchange", address & ~7ul, 8, value)),
        (1, from address in Addresses from value in Generate.Any64 select new Step("exchange", address, 8, value)),
        (1, from address in Addresses from length in Gen.Choose(0, 48) select new Step("clear", address, length, 0)));

    private sealed record Step(string What, ulong Address, int Length, ulong Value)
    {
        public void Run(PhysicalMemory memory, Dictionary<ulong, byte> model)
        {
            bool backed = IsBacked(Address, (ulong)Math.Max(Length, 1));
            byte[] bytes = new byte[Length];
            PhysicalAddress address = new(Address);
            switch (What)
            {
                case "read":
                    Array.Fill(bytes, (byte)0xEE);
                    Assert.Equal(backed, memory.TryRead(address, bytes));
                    Assert.Equal(backed ? Modelled(model, Length) : [.. Enumerable.Repeat((byte)0xEE, Length)], bytes);
                    break;
                case "write":
                    new Random((int)Value).NextBytes(bytes);
                    Assert.Equal(backed, memory.TryWrite(address, bytes));
                    Write(model, backed, bytes);
                    break;
                case "store":
                    Assert.Equal(backed, Length switch
                    {
                        1 => memory.TryWrite(address, (byte)Value),
                        2 => memory.TryWrite(address, (ushort)Value),
                        4 => memory.TryWrite(address, (uint)Value),
                        _ => memory.TryWrite(address, Value),
                    });
                    Write(model, backed, BitConverter.GetBytes(Value)[..Length]);
                    break;
                case "exchange":
                    backed &= Address % 8 == 0;
                    ulong held = backed ? BitConverter.ToUInt64(Modelled(model, 8)) : 0;
                    Assert.Equal(backed, memory.TryCompareExchange(address, held ^ 1, ~Value, out ulong found));
                    Assert.Equal(held, found);
                    Assert.Equal(backed, memory.TryCompareExchange(address, held, Value, out found));
                    Assert.Equal(held, found);
                    Write(model, backed, BitConverter.GetBytes(Value));
                    break;
                default:
                    Assert.Equal(backed, memory.Clear(address, (ulong)Length));
                    Write(model, backed, bytes);
                    break;
            }
        }

        private byte[] Modelled(Dictionary<ulong, byte> model, int length) =>
            [.. Enumerable.Range(0, length).Select(at => model.GetValueOrDefault(Address + (ulong)at))];

        private void Write(Dictionary<ulong, byte> model, bool backed, byte[] bytes)
        {
            for (int at = 0; backed && at < bytes.Length; at++)
                model[Address + (ulong)at] = bytes[at];
        }
    }
}
