using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Values of every width at every place around the borders of extents, beside a plain array.</summary>
public sealed class MemoryBorderTests
{
    private const int Page = 4096;

    [Fact]
    public void A_value_is_read_and_written_whole_or_not_at_all_at_every_border()
    {
        Check<byte>();
        Check<ushort>();
        Check<uint>();
        Check<ulong>();
        Check<Bits128>();
        Check<Bits512>();
        Check<Wide>();
    }

    private static void Check<T>()
        where T : unmanaged
    {
        // Backed: pages 1, 2 and 3, of which 3 is an extent of its own; nothing on either side.
        using PhysicalMemory memory = new();
        memory.AddRam(new(Page), 2 * Page);
        memory.AddRam(new(3 * Page), Page);
        byte[] model = new byte[5 * Page];
        new Random(1).NextBytes(model.AsSpan(Page, 3 * Page));
        Assert.True(memory.TryWrite(new(Page), model.AsSpan(Page, 3 * Page)));

        int width = Unsafe.SizeOf<T>();
        foreach (int border in new[] { Page, 3 * Page, 4 * Page })
        {
            for (int start = border - (2 * width); start <= border + width; start++)
            {
                bool backed = start >= Page && start + width <= 4 * Page;
                Assert.Equal(backed, memory.TryRead(new((ulong)start), out T value));
                Assert.Equal(backed ? MemoryMarshal.Read<T>(model.AsSpan(start)) : default, value);

                model.AsSpan(start, width).Reverse();
                T reversed = MemoryMarshal.Read<T>(model.AsSpan(start));
                Assert.Equal(backed, memory.TryWrite(new((ulong)start), reversed));
                if (!backed)
                    model.AsSpan(start, width).Reverse();
            }
        }

        byte[] all = new byte[3 * Page];
        Assert.True(memory.TryRead(new(Page), all));
        Assert.Equal(model[Page..(4 * Page)], all);
        Assert.False(memory.TryRead(new(ulong.MaxValue), out T _));
        Assert.False(memory.TryRead(new(0), out T _));
    }

    [Fact]
    public void Memory_that_was_given_back_backs_nothing()
    {
        PhysicalMemory memory = new(Page);
        memory.Dispose();
        Assert.False(memory.TryRead(new(0), out ulong _));
        Assert.False(memory.TryWrite(new(0), 1ul));
        Assert.False(new PhysicalMemory().TryRead(new(0), out byte _));
    }

    private readonly record struct Wide(Bits512 Low, Bits512 High);
}
