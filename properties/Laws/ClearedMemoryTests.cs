using Dma.Machine;

namespace Dma.Properties;

public sealed class ClearedMemoryTests
{
    private const ulong TwoMiB = 2 << 20;

    [Fact]
    public void Clearing_zeroes_exactly_the_range_even_across_extents()
    {
        using PhysicalMemory memory = new();
        memory.AddRam(new(0), 4 * TwoMiB);
        memory.AddRam(new(4 * TwoMiB), TwoMiB);
        byte[] ones = new byte[5 * TwoMiB];
        Array.Fill(ones, (byte)0xFF);
        foreach ((ulong start, ulong length) in new[] { (0x1001ul, 7ul), (TwoMiB, TwoMiB), ((4 * TwoMiB) - 4096, 8192ul), (TwoMiB + 1, TwoMiB) })
        {
            Assert.True(memory.TryWrite(new(0), ones));
            Assert.True(memory.Clear(new(start), length));
            byte[] found = new byte[ones.Length];
            Assert.True(memory.TryRead(new(0), found));
            Assert.False(found.AsSpan((int)start, (int)length).ContainsAnyExcept((byte)0));
            Assert.False(found.AsSpan(0, (int)start).Contains((byte)0));
            Assert.False(found.AsSpan((int)(start + length)).Contains((byte)0));
        }

        Assert.False(memory.Clear(new(5 * TwoMiB), 1));
        Assert.False(memory.Clear(new((5 * TwoMiB) - 1), 2));
    }

    [Fact]
    public void Untouched_and_cleared_memory_costs_nothing()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Only Linux gives memory back and tells how much is resident.");
        using PhysicalMemory memory = new(1ul << 40);
        Assert.Equal(0ul, memory.ResidentBytes(new(0), 1ul << 30));
        Assert.True(memory.TryWrite(new(TwoMiB), new byte[TwoMiB]));
        Assert.True(memory.ResidentBytes(new(0), 1ul << 30) >= TwoMiB);
        Assert.True(memory.Clear(new(TwoMiB), TwoMiB));
        Assert.Equal(0ul, memory.ResidentBytes(new(TwoMiB), TwoMiB));
    }
}
