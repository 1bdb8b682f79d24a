using Dma.Iommu.Spec;
using Dma.Lab;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>What the function can reach of a client's memory: what is mapped, as it is mapped, as long as it is mapped.</summary>
public sealed class VfioUserMemoryTests
{
    private const ulong Page = 4096;
    private const ulong Length = 4 << 20;

    [Fact]
    public void The_function_reads_and_writes_what_a_client_shares_on_every_unit()
    {
        foreach (string profile in ProfileChoice.Names)
        {
            using VfioUserBench bench = new(profile: profile);
            using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: true);
            bench.EnableBusMaster();
            Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Write(new(0x40_0000), [1]));
            Assert.Equal(ErrorNumber.None, bench.Map(0x40_0000, Length, VfioUserBench.Share(memory)));
            Assert.Equal(1, bench.Session.Memory.CountShared);
            RandomAccess.Write(memory, [1, 2, 3, 4], (2 << 20) + 8);
            byte[] read = new byte[4];
            Assert.Equal(DmaStatus.Success, bench.Function.Port.Read(new(0x60_0008), read));
            Assert.Equal([1, 2, 3, 4], read);
            Assert.Equal(DmaStatus.Success, bench.Function.Port.Write(new(0x60_0FFE), [5, 6, 7, 8]));
            _ = RandomAccess.Read(memory, read, (2 << 20) + 0xFFE);
            Assert.Equal([5, 6, 7, 8], read);
            Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Read(new(0x40_0000 + Length), read));
        }
    }

    [Fact]
    public void An_unmap_has_its_effect_before_it_is_answered_on_every_unit()
    {
        foreach (string profile in ProfileChoice.Names)
        {
            using VfioUserBench bench = new(profile: profile);
            using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: true);
            bench.EnableBusMaster();
            for (int round = 0; round < 3; round++)
            {
                Assert.Equal(ErrorNumber.None, bench.Map(0, Length, VfioUserBench.Share(memory)));

                // The unit remembers the translation now.
                Assert.Equal(DmaStatus.Success, bench.Function.Port.Write(new(0x5008), [9]));
                ulong faults = bench.Machine.Faults;
                Assert.Equal(ErrorNumber.None, round == 2 ? bench.Unmap(0, 0, DmaUnmapMessage.All) : bench.Unmap(0, Length));
                RandomAccess.Write(memory, [0], 0x5008);
                Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Write(new(0x5008), [9]));
                byte[] after = new byte[1];
                _ = RandomAccess.Read(memory, after, 0x5008);
                Assert.Equal(0, after[0]);

                // And the refusal is on record: who, where, why.
                bench.Machine.Loop.RunFor(1_000_000);
                Assert.Equal(faults + 1, bench.Machine.Faults);
                Assert.Equal((VfioUserMachine.Place, 0x5000ul, true), (bench.Machine.LastFault.Source, bench.Machine.LastFault.Address.Value, bench.Machine.LastFault.Write));
                Assert.NotEqual(FaultReason.None, bench.Machine.LastFault.Reason);
                Assert.False(bench.Machine.Memory.IsBacked(new(VfioUserMachine.ClientStart + 0x5000), 1));
            }
        }
    }

    [Theory]
    [InlineData(1u, DmaStatus.Success, DmaStatus.Blocked)]
    [InlineData(2u, DmaStatus.Blocked, DmaStatus.Success)]
    [InlineData(3u, DmaStatus.Success, DmaStatus.Success)]
    public void The_rights_of_a_map_are_those_of_the_entries(uint flags, DmaStatus read, DmaStatus write)
    {
        foreach (bool isSealed in (bool[])[true, false])
        {
            using VfioUserBench bench = new();
            using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed);
            bench.EnableBusMaster();
            Assert.Equal(ErrorNumber.None, bench.Map(0, Length, VfioUserBench.Share(memory), flags: flags));
            Assert.Equal(read, bench.Function.Port.Read(new(0x3000), new byte[4]));
            Assert.Equal(write, bench.Function.Port.Write(new(0x3000), new byte[4]));
        }
    }

    [Fact]
    public void Parts_of_one_file_lie_where_the_client_puts_them()
    {
        using VfioUserBench bench = new();
        using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: true);
        bench.EnableBusMaster();
        RandomAccess.Write(memory, [1], 0);
        RandomAccess.Write(memory, [2], 3 * (long)Page);
        Assert.Equal(ErrorNumber.None, bench.Map(0x1_0000_0000, 2 * Page, VfioUserBench.Share(memory)));
        Assert.Equal(ErrorNumber.None, bench.Map(0, Page, VfioUserBench.Share(memory), offset: 3 * Page));
        byte[] read = new byte[1];
        Assert.Equal((DmaStatus.Success, 2), (bench.Function.Port.Read(new(0), read), read[0]));
        Assert.Equal((DmaStatus.Success, 1), (bench.Function.Port.Read(new(0x1_0000_0000), read), read[0]));
        Assert.Equal(ErrorNumber.None, bench.Unmap(0, Page));
        Assert.Equal((DmaStatus.Blocked, DmaStatus.Success), (bench.Function.Port.Read(new(0), read), bench.Function.Port.Read(new(0x1_0000_0000), read)));
    }

    [Fact]
    public void A_map_that_cannot_be_changes_nothing()
    {
        using VfioUserBench bench = new();
        using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: true);
        Assert.Equal(ErrorNumber.None, bench.Map(0x10000, 4 * Page, VfioUserBench.Share(memory)));
        foreach ((ulong address, ulong size, ulong offset, uint flags) in ((ulong, ulong, ulong, uint)[])[
            (0, 0, 0, 3), (0, 100, 0, 3), (8, Page, 0, 3), (0, Page, 8, 3), (0, Page, 0, 0), (0, Page, 0, 4), (0, Page, 0, 7), (0, Page, Length, 3), (0, Page, ulong.MaxValue - Page + 1, 3),
            (ulong.MaxValue - Page + 1, 2 * Page, 0, 3), (1ul << 52, Page, 0, 3), ((1ul << 52) - Page, Page, 0, 3), (0xFEE0_0000, Page, 0, 3), (0x8000_0000, 0x8000_0000, 0, 3)])
        {
            Assert.Equal(ErrorNumber.Invalid, bench.Map(address, size, VfioUserBench.Share(memory), offset, flags));
        }

        foreach ((ulong address, ulong size) in ((ulong, ulong)[])[(0x10000, 4 * Page), (0xF000, 2 * Page), (0x13000, Page), (0, 0x20000)])
            Assert.Equal(ErrorNumber.Exists, bench.Map(address, size, VfioUserBench.Share(memory)));
        foreach ((ulong address, ulong size) in ((ulong, ulong)[])[(0x10000, Page), (0x11000, Page), (0, 4 * Page), (0x10000, 5 * Page)])
            Assert.Equal(ErrorNumber.NotFound, bench.Unmap(address, size));
        Assert.Equal(ErrorNumber.Invalid, bench.Unmap(0x10000, 4 * Page, DmaUnmapMessage.All));
        Assert.Equal(ErrorNumber.NotSupported, bench.Unmap(0x10000, 4 * Page, flags: 1));
        Assert.Equal((1, 4 * Page), (bench.Session.Memory.Count, bench.Session.Memory.Bytes));
        using (SafeFileHandle reading = File.OpenHandle($"/proc/self/fd/{memory.DangerousGetHandle()}"))
            Assert.Equal(ErrorNumber.NoAccess, bench.Map(0, Page, reading));
        using SafeFileHandle other = UnixDescriptors.CreateEvent();
        Assert.Equal(ErrorNumber.Invalid, bench.Map(0, Page, VfioUserBench.Share(memory), offset: Length - Page + Page));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DmaMap, VfioUserBench.Bytes(new DmaMapMessage(31, 3, 0, 0, Page)), out _));
        Assert.Equal(1, bench.Session.Memory.Count);
    }

    [Fact]
    public void There_are_as_many_mappings_as_were_promised_and_all_of_them_go_with_the_client()
    {
        using VfioUserBench bench = new();
        using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: true);
        for (ulong map = 0; map < ClientMemory.MapsMax; map++)
            Assert.Equal(ErrorNumber.None, bench.Map(2 * map * Page, Page, map % 2 == 0 ? VfioUserBench.Share(memory) : null));
        Assert.Equal(ErrorNumber.NoSpace, bench.Map(1ul << 32, Page));
        bench.EnableBusMaster();
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Read(new(8 * Page), new byte[8]));
        int frames = bench.Machine.Remapping.FramesInUse;
        bench.Next();
        Assert.True(bench.Machine.Remapping.FramesInUse < frames);
        bench.EnableBusMaster();
        Assert.Equal(0, bench.Session.Memory.Count);
        Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Read(new(8 * Page), new byte[8]));
        _ = Assert.Single(bench.Machine.Memory.Extents);
    }

    [Fact]
    public void A_file_that_its_owner_makes_shorter_refuses_accesses_and_ends_nothing()
    {
        using VfioUserBench bench = new();
        using SafeFileHandle memory = UnixDescriptors.CreateMemory((long)Length, isSealed: false);
        bench.EnableBusMaster();
        Assert.Equal(ErrorNumber.None, bench.Map(0, Length, VfioUserBench.Share(memory)));
        Assert.Equal(0, bench.Session.Memory.CountShared);
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Write(new(Length - 8), [1, 2, 3, 4]));
        byte[] read = new byte[4];
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Read(new(Length - 8), read));
        Assert.Equal([1, 2, 3, 4], read);
        RandomAccess.SetLength(memory, (long)Page);
        Assert.Equal(DmaStatus.Unclaimed, bench.Function.Port.Read(new(Length - 8), read));
        Assert.Equal(DmaStatus.Unclaimed, bench.Function.Port.Write(new(Length - 8), read));
        Assert.Equal((long)Page, RandomAccess.GetLength(memory));
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Write(new(8), read));
    }

    [Fact]
    public void Memory_without_a_descriptor_is_reached_by_asking_the_client()
    {
        Asked asked = new();
        using VfioUserBench bench = new(messages: asked);
        bench.EnableBusMaster();
        Assert.Equal(ErrorNumber.None, bench.Map(0x7000, 2 * Page));
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Write(new(0x7FFE), [1, 2, 3, 4]));
        byte[] read = new byte[4];
        Assert.Equal(DmaStatus.Success, bench.Function.Port.Read(new(0x7FFE), read));
        Assert.Equal([1, 2, 3, 4], read);
        Assert.Equal(["W 7FFE 2", "W 8000 2", "R 7FFE 2", "R 8000 2"], asked.Log);

        // Rights are those of the entries: the client is not asked for what they do not give.
        Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Read(new(0x9000), read));
        Assert.Equal(ErrorNumber.None, bench.Map(0x9000, Page, flags: 1));
        Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Write(new(0x9000), read));
        Assert.Equal(4, asked.Log.Count);
        asked.Refuses = true;
        Assert.Equal(DmaStatus.Unclaimed, bench.Function.Port.Read(new(0x9000), read));
        Assert.Equal(ErrorNumber.None, bench.Unmap(0x7000, 2 * Page));
        Assert.Equal(DmaStatus.Blocked, bench.Function.Port.Read(new(0x7FFE), read));
        Assert.Equal(5, asked.Log.Count);
    }

    private sealed class Asked : IDmaMessages
    {
        private readonly Dictionary<ulong, byte> _bytes = [];

        public List<string> Log { get; } = [];

        public bool Refuses { get; set; }

        public bool TryRead(ulong address, Span<byte> destination)
        {
            Log.Add($"R {address:X} {destination.Length}");
            for (int at = 0; at < destination.Length && !Refuses; at++)
                destination[at] = _bytes.GetValueOrDefault(address + (ulong)at);
            return !Refuses;
        }

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
        {
            Log.Add($"W {address:X} {source.Length}");
            for (int at = 0; at < source.Length && !Refuses; at++)
                _bytes[address + (ulong)at] = source[at];
            return !Refuses;
        }
    }
}
