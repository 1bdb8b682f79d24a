using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class GuestMemoryTests
{
    private const ulong MiB = 1 << 20;
    private const ulong GiB = 1 << 30;

    // Memory that is no whole number of large pages; memory that goes on above 4 GiB.
    private static readonly ulong[] _sizes = [4096, (2 * MiB) + (3 * 4096), (2 * GiB) + (2 * MiB) + 8192];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_guests_see_two_dictionaries_of_bytes(int size) =>
        Property.Check(Generate.Program(Steps, 60), program => Run(_sizes[size], program), 10);

    [Fact]
    public void An_idle_guest_of_a_gigabyte_costs_less_than_two_mebibytes()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Only Linux tells how much memory is resident.");
        using Host host = new(new());
        host.Boot();
        _ = host.CreateMachine("first", GiB);
        ulong resident = Resident(host);
        long managed = GC.GetAllocatedBytesForCurrentThread();
        VirtualMachine vm = host.CreateMachine("idle", GiB);
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        resident = Resident(host) - resident;
        Assert.True(resident + (ulong)managed < 2 * MiB, $"{resident} bytes of host memory and {managed} managed bytes");

        // It is all there nevertheless.
        Assert.True(vm.Cpu.TryWrite(new(GiB - 8), new byte[8]));
        Assert.False(vm.Cpu.TryWrite(new(GiB - 8), new byte[9]));
    }

    [Fact]
    public void Memory_that_does_not_fit_is_refused_and_nothing_is_taken()
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB });
        ulong free = host.Frames.CountOf(FrameOwner.Free);
        Assert.Null(host.TryCreateMachine("big", 48 * MiB));
        Assert.Equal(free, host.Frames.CountOf(FrameOwner.Free));
        Assert.NotNull(host.TryCreateMachine("fits", 40 * MiB));
    }

    [Fact]
    public void A_guest_that_ended_finds_nothing_and_its_memory_is_clean_for_the_next()
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB });
        host.Boot();
        ulong free = host.Frames.CountOf(FrameOwner.Free);
        VirtualMachine first = host.CreateMachine("first", 40 * MiB);
        byte[] secret = new byte[40 * MiB];
        Array.Fill(secret, (byte)0x5A);
        Assert.True(first.Cpu.TryWrite(new(0), secret));
        host.Loop.Run(() => host.Destroy(first).AsTask());
        Assert.Equal(free, host.Frames.CountOf(FrameOwner.Free));
        VirtualMachine second = host.CreateMachine("second", 40 * MiB);
        Assert.True(second.Cpu.TryRead(new(0), secret));
        Assert.False(secret.AsSpan().ContainsAnyExcept((byte)0));
        Assert.True(second.Cpu.TryWrite(new(0), [1]));
        Assert.Equal(ulong.MaxValue, first.Cpu.Load(new(0), 8));
        first.Cpu.Store(new(0), 1, 2);
        Assert.False(first.Cpu.TryRead(new(0), new byte[1]));
        Assert.Equal(1ul, second.Cpu.Load(new(0), 1));
    }

    [Fact]
    public void What_is_no_memory_reads_all_ones_swallows_stores_and_costs_an_exit()
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB });
        VirtualMachine vm = host.CreateMachine("one", 4 * MiB);
        foreach (ulong address in (ulong[])[4 * MiB, MemoryLayout.BarStart, MemoryLayout.RemappingUnit, 1ul << 47, ulong.MaxValue - 7])
        {
            ulong exits = vm.Cpu.Processor.Meter[Cost.Exit];
            foreach (int width in (int[])[1, 2, 4, 8])
            {
                vm.Cpu.Store(new(address), width, 0);
                Assert.Equal(RegisterFile.AllOnes(width), vm.Cpu.Load(new(address), width));
            }

            Assert.Equal(exits + 8, vm.Cpu.Processor.Meter[Cost.Exit]);
        }

        // Half in, half out: nothing moves.
        vm.Cpu.Store(new((4 * MiB) - 4), 8, 0x1234);
        Assert.Equal(0ul, vm.Cpu.Load(new((4 * MiB) - 4), 4));
        Assert.Equal(ulong.MaxValue, vm.Cpu.Load(new((4 * MiB) - 4), 8));
        Assert.Equal(0xFFu, vm.Cpu.In(0x60, 1));
        vm.Cpu.Out(0x60, 1, 0);
    }

    private static ulong Resident(Host host) =>
        host.Memory.Extents.Aggregate(0ul, (sum, extent) => sum + host.Memory.ResidentBytes(extent.Start, extent.Length));

    private static Gen<Step> Steps =>
        from second in Gen.Elements(false, true)
        from write in Gen.Elements(false, true)
        from word in Gen.Elements(false, true)
        from place in Gen.Choose(0, 7)
        from offset in Gen.Choose(-12, 12)
        from length in Gen.Frequency((4, Gen.Choose(0, 16)), (1, Gen.Choose(4090, 12_300)))
        from value in Gen.Choose(1, 255)
        select new Step(second, write, word, place, offset, length, (byte)value);

    private static void Run(ulong bytes, Step[] program)
    {
        using Host host = new(new() { MemoryBytes = 6 * GiB, VmmBytes = 16 * MiB });
        VirtualMachine[] machines = [host.CreateMachine("zero", bytes), host.CreateMachine("one", bytes)];
        Dictionary<ulong, byte>[] models = [[], []];
        foreach (Step step in program)
            Take(step, machines[step.Second ? 1 : 0].Cpu, models[step.Second ? 1 : 0], bytes);

        // Frames of the two are all different, and all marked as theirs.
        HashSet<ulong> frames = [];
        foreach (VirtualMachine vm in machines)
        {
            foreach ((_, PhysicalAddress at, FrameSize size) in vm.Memory.Blocks)
            {
                Assert.True(frames.Add(at.Value));
                Assert.Equal(vm.Owner, host.Frames.OwnerOf(at));
                Assert.Equal(vm.Owner, host.Frames.OwnerOf(at + (size.Bytes - 1)));
            }

            Assert.Equal(bytes / 4096, host.Frames.CountOf(vm.Owner));
        }
    }

    private static void Take(Step step, GuestCpu cpu, Dictionary<ulong, byte> model, ulong bytes)
    {
        // Around the edges of pages, of memory, and of the address space.
        ulong[] places = [0, 4096, 2 * MiB, bytes, MemoryLayout.LowMemoryEnd, MemoryLayout.HighMemoryStart, MemoryLayout.HighMemoryStart + (2 * MiB), 0];
        ulong address = unchecked(places[step.Place] + (ulong)step.Offset);
        int width = 1 << (step.Length & 3);
        bool isMemory = GuestMemory.Contains(bytes, new(address), (ulong)(step.Word ? width : step.Length));
        if (step is { Word: true, Write: true })
        {
            ulong value = step.Value * 0x0101_0101_0101_0101ul;
            cpu.Store(new(address), width, value);
            for (int at = 0; isMemory && at < width; at++)
                model[address + (ulong)at] = step.Value;
        }
        else if (step.Word)
        {
            ulong expected = 0;
            for (int at = 0; at < width; at++)
                expected |= (ulong)(isMemory ? model.GetValueOrDefault(address + (ulong)at) : byte.MaxValue) << (8 * at);
            Assert.Equal(expected, cpu.Load(new(address), width));
        }
        else
        {
            byte[] data = new byte[step.Length];
            Array.Fill(data, step.Value);
            bool moved = step.Write ? cpu.TryWrite(new(address), data) : cpu.TryRead(new(address), data);
            if (step.Length == 0)
                return;
            Assert.Equal(isMemory, moved);
            for (int at = 0; at < data.Length; at++)
            {
                ulong place = unchecked(address + (ulong)at);
                if (step.Write && isMemory)
                    model[place] = step.Value;
                else if (!step.Write)
                    Assert.Equal(isMemory ? model.GetValueOrDefault(place) : step.Value, data[at]);
            }
        }
    }

    private sealed record Step(bool Second, bool Write, bool Word, int Place, int Offset, int Length, byte Value)
    {
        public override string ToString() =>
            $"guest {(Second ? 1 : 0)} {(Write ? "writes" : "reads")} {(Word ? $"a word of {1 << (Length & 3)}" : $"{Length} bytes")} at place {Place}{Offset:+0;-0} value {Value:X2}";
    }
}
