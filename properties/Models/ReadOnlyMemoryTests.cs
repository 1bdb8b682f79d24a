using Dma.Machine;

namespace Dma.Properties;

/// <summary>Memory that is read and never written, alone and beside other memory.</summary>
public sealed class ReadOnlyMemoryTests
{
    private const ulong Rom = 0x8000;

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 0x8000)] // ends where the content begins
    [InlineData(0xA000, 0x1000)] // begins where the content ends
    public void It_answers_reads_and_takes_no_write_that_touches_it(ulong ramStart, ulong ramLength)
    {
        byte[] content = [.. Enumerable.Range(0, 0x2000).Select(index => (byte)(index * 7))];
        using PhysicalMemory memory = new();
        memory.AddRom(new(Rom), content);
        if (ramLength != 0)
            memory.AddRam(new(ramStart), ramLength);
        for (ulong address = Rom - 9; address < Rom + 0x2009; address += 0xFF9)
        {
            _ = memory.TryWrite(new(address), 0x1122_3344_5566_7788ul);
            _ = memory.TryWrite(new PhysicalAddress(address), new byte[20]);
        }

        Assert.False(memory.TryWrite(new(Rom), 1ul));
        Assert.False(memory.TryWrite(new(Rom - 4), 1ul));
        Assert.False(memory.TryWrite(new(Rom + 0x1FFC), 1ul));
        Assert.False(memory.TryWrite(new PhysicalAddress(Rom + 0x1FFF), new byte[2]));
        Assert.False(memory.TryCompareExchange(new(Rom), BitConverter.ToUInt64(content), 1, out _));
        Assert.False(memory.Clear(new(Rom), 0x1000));
        Assert.True(memory.IsBacked(new(Rom), 0x2000));
        Assert.True(memory.TryRead(new(Rom + 8), out ulong value));
        Assert.Equal(BitConverter.ToUInt64(content, 8), value);
        Assert.True(memory.ReadQuadwords(new(Rom)).TryRead(Rom + 16, out value));
        Assert.Equal(BitConverter.ToUInt64(content, 16), value);
        byte[] whole = new byte[0x2000];
        Assert.True(memory.TryRead(new PhysicalAddress(Rom), whole));
        Assert.Equal(content, whole);
    }

    [Fact]
    public void It_is_made_of_whole_pages_where_nothing_else_is()
    {
        using PhysicalMemory memory = new(0x4000);
        Assert.Throws<ArgumentException>(() => memory.AddRom(new(Rom), new byte[100]));
        Assert.Throws<ArgumentException>(() => memory.AddRom(new(0x3000), new byte[4096]));
    }
}
