using System.Diagnostics;
using System.Reflection;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

public sealed class InvalidationTests
{
    private static readonly SourceId s_device = new(0, 3, 0);

    public static TheoryData<int, ulong, InvalidationQueueError> Breakages() => new()
    {
        { 0, 0xF, InvalidationQueueError.InvalidType },
        { -1, 0x3E, InvalidationQueueError.InvalidType },
        { 0, 0x0000_0000_0000_8012, InvalidationQueueError.ReservedField },
        { -1, 0x8000_0025, InvalidationQueueError.ReservedField },
    };

    [Theory]
    [MemberData(nameof(Breakages))]
    public void A_queue_that_stops_goes_on_and_nothing_stale_survives(int descriptor, ulong breakage, InvalidationQueueError error)
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            BadUnit bad = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            RemappedPort port = machine.Unit!.Open(s_device);
            for (int round = 0; round < 300; round++)
            {
                // Often enough for the ring to wrap, and each time at another slot.
                await domain.Map(new(0x5000), new(64 << 20), 4096, DmaDirection.Bidirectional);
                Assert.Equal(DmaStatus.Success, port.Read(new(0x5000), new byte[8]));
                (bad.DescriptorToBreak, bad.Breakage, bad.SubmissionsToBreak) = (descriptor, breakage, round % 3 == 0 ? 1 : 0);
                Assert.Equal(DmaRefusal.None, await domain.Unmap(new(0x5000), 4096));
                Assert.Equal(DmaStatus.Blocked, port.Read(new(0x5000), new byte[8]));
                driver.DrainFaults();
            }

            Assert.Equal(100ul, driver.QueueStops);
            Assert.Equal(error, driver.LastQueueError);
            Assert.Equal(0u, machine.Cpu.Load(new(BareMetal.UnitAddress + RegisterOffsets.FaultStatus), 4) & 0x70);
        });
    }

    [Fact]
    public void A_queue_that_stops_again_and_again_is_given_up()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            BadUnit bad = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            await domain.Map(new(0x5000), new(64 << 20), 4096, DmaDirection.Bidirectional);
            bad.SubmissionsToBreak = 2;
            DeviceException refusal = await Assert.ThrowsAsync<DeviceException>(async () => await domain.Unmap(new(0x5000), 4096));
            Assert.Contains("stopped twice", refusal.Message, StringComparison.Ordinal);

            // The next one finds the queue in order again, and what was left over is done with it.
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x5000), new(65 << 20), 4096, DmaDirection.Bidirectional));
            Assert.Equal(DmaStatus.Success, machine.Unit!.Open(s_device).Read(new(0x5000), new byte[8]));
        });
    }

    [Fact]
    public void A_queue_that_does_not_move_is_given_up_in_time()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            BadUnit bad = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await domain.Map(new(0x5000), new(64 << 20), 4096, DmaDirection.Bidirectional);
            bad.DeafRegisters.Add(RegisterOffsets.InvalidationQueueTail);
            ulong before = machine.Loop.NowNs;
            await Assert.ThrowsAsync<DeviceException>(async () => await domain.Unmap(new(0x5000), 4096));
            Assert.InRange(machine.Loop.NowNs - before, 100_000_000ul, 101_000_000ul);
        });
    }

    [Fact]
    public void Only_pages_that_changed_are_invalidated_where_the_unit_can_do_that()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            RemappedPort port = machine.Unit!.Open(s_device);
            await domain.Map(new(0), new(64 << 20), 64 * 4096, DmaDirection.ToDevice);
            for (ulong page = 0; page < 64; page++)
                Assert.Equal(DmaStatus.Success, port.Read(new(page << 12), new byte[8]));
            ulong walks = machine.Unit.Statistics.Walks;
            await domain.Unmap(new(8 << 12), 4 << 12);
            for (ulong page = 0; page < 64; page++)
                Assert.Equal(page is >= 8 and < 12 ? DmaStatus.Blocked : DmaStatus.Success, port.Read(new(page << 12), new byte[8]));
            Assert.Equal(walks + 4, machine.Unit.Statistics.Walks);
        });
    }

    [Fact]
    public void What_is_asked_for_is_what_the_change_needs()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            BadUnit spy = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            Assert.Equal([], await Asked(async () => await driver.Attach(s_device, domain)));
            Assert.Equal([], await Asked(async () => await domain.Map(new(0x1000), new(64 << 20), 0x4000, DmaDirection.ToDevice)));
            Assert.Equal(["page 2000h AM 1 IH"], await Asked(async () => await domain.Unmap(new(0x2000), 0x2000)));
            Assert.Equal(["page 1000h AM 0 IH"], await Asked(async () => await domain.Unmap(new(0x1000), 0x1000)));

            // The last page takes its tables with it.
            Assert.Equal(["page 4000h AM 0"], await Asked(async () => await domain.Unmap(new(0x4000), 0x1000)));

            // A page out of a superpage: the whole superpage, whatever was cached of it.
            await domain.Map(new(0x4000_0000), new(0x4000_0000), 0x4000_0000, DmaDirection.ToDevice);
            Assert.Equal(["page 40000000h AM 18"], await Asked(async () => await domain.Unmap(new(0x4000_5000), 0x1000)));
            Assert.Equal(["page 40200000h AM 9"], await Asked(async () => await domain.Unmap(new(0x402F_F000), 0x1000)));
            Assert.Equal(["page 40400000h AM 9 IH"], await Asked(async () => await domain.Unmap(new(0x4040_0000), 0x20_0000)));

            // Across a border that no mask within MAMV covers.
            await domain.Map(new(0xFFFF_F000), new(64 << 20), 0x2000, DmaDirection.ToDevice);
            Assert.Equal(["domain"], await Asked(async () => await domain.Unmap(new(0xFFFF_F000), 0x2000)));
            Assert.Equal(["context device 00:03.0 of 0h", "domain"], await Asked(async () => await driver.Detach(s_device)));

            async Task<IEnumerable<string>> Asked(Func<Task> change)
            {
                spy.Submitted.Clear();
                await change();
                return [.. spy.Submitted.Select(Describe).OfType<string>()];
            }
        });
    }

    [Fact]
    public void With_caching_mode_new_entries_are_told_as_changed_ones_are()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        using BareMetal machine = new(friendly with { Capabilities = friendly.Capabilities with { CachingMode = true } });
        machine.Loop.Run(async () =>
        {
            BadUnit spy = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            spy.Submitted.Clear();
            await driver.Attach(s_device, domain);
            await driver.Attach(new(0, 4, 0), domain);
            await domain.Map(new(0x1000), new(64 << 20), 0x1000, DmaDirection.ToDevice);
            await domain.Map(new(0x2000), new(64 << 20), 0x1000, DmaDirection.ToDevice);
            Assert.Equal(
                ["context global", "domain", "context device 00:04.0 of 0h", "domain", "page 1000h AM 0", "page 2000h AM 0 IH"],
                spy.Submitted.Select(Describe).OfType<string>());
        });
    }

    [Fact]
    public void Many_deferred_unmaps_cost_one_invalidation()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            RemappedPort port = machine.Unit!.Open(s_device);
            await domain.Map(new(0), new(64 << 20), 64 * 4096, DmaDirection.ToDevice);
            Assert.Equal(DmaStatus.Success, port.Read(new(0x3000), new byte[8]));
            ulong before = driver.Invalidations;
            for (ulong page = 0; page < 64; page++)
                Assert.Equal(DmaRefusal.None, await domain.UnmapDeferred(new(page << 12), 4096));

            // The window of vulnerability: not in the tables any more, still in the IOTLB.
            Assert.Equal(before, driver.Invalidations);
            Assert.Equal(DmaStatus.Success, port.Read(new(0x3000), new byte[8]));
            await domain.Flush();
            Assert.Equal(before + 1, driver.Invalidations);
            Assert.Equal(DmaStatus.Blocked, port.Read(new(0x3000), new byte[8]));
            await domain.Flush();
            Assert.Equal(before + 1, driver.Invalidations);
        });
    }

    [Fact]
    public void Requests_that_come_while_one_waits_are_served_in_turn()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            BadUnit bad = Spoil(machine);
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            await domain.Map(new(0), new(64 << 20), 8 * 4096, DmaDirection.ToDevice);

            // The tail is lost for a while, and written again by hand: until then the first unmap waits.
            bad.DeafRegisters.Add(RegisterOffsets.InvalidationQueueTail);
            Task<DmaRefusal> first = domain.Unmap(new(0), 4096).AsTask();
            Task<DmaRefusal> second = domain.Unmap(new(0x1000), 4096).AsTask();
            Task<DmaRefusal> third = domain.Map(new(0), new(65 << 20), 4096, DmaDirection.ToDevice).AsTask();
            await machine.Cpu.Processor.Delay(50_000);
            Assert.False(first.IsCompleted || second.IsCompleted || third.IsCompleted);
            Assert.True(domain.TryFind(new(0x1000), out _));
            bad.DeafRegisters.Clear();
            ulong tail = machine.Cpu.Load(new(BareMetal.UnitAddress + RegisterOffsets.InvalidationQueueTail), 8);
            machine.Cpu.Store(new(BareMetal.UnitAddress + RegisterOffsets.InvalidationQueueTail), 8, tail + 32);
            Assert.Equal([DmaRefusal.None, DmaRefusal.None, DmaRefusal.None], await Task.WhenAll(first, second, third));
            Assert.True(domain.TryFind(new(0), out RemappingLeaf leaf));
            Assert.Equal(65ul << 20, leaf.Target.Value);
            Assert.False(domain.TryFind(new(0x1000), out _));
        });
    }

    [Fact]
    public void Mapping_and_unmapping_costs_the_same_however_much_is_mapped_and_no_memory()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            CountingCpu cpu = new(machine.Cpu);
            RemappingDriver driver = await RemappingDriver.Start(
                cpu, new(BareMetal.UnitAddress), machine.Frames, new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth });
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);

            // A neighbour keeps the tables alive.
            await domain.Map(new(0x1000), new(64 << 20), 4096, DmaDirection.ToDevice);
            (int accesses, long bytes) = Measure(cpu, domain);
            for (ulong page = 0; page < 20_000; page++)
                await domain.Map(new((1ul << 32) + (page << 13)), new((64ul << 20) + (page << 12)), 4096, DmaDirection.ToDevice);
            Assert.Equal((accesses, bytes), Measure(cpu, domain));
            if (IsOptimized)
                Assert.Equal(0, bytes);
        });
    }

    // What an invalidation descriptor asks for; null for a wait.
    private static string? Describe(Bits128 raw)
    {
        IotlbDescriptor iotlb = new(raw);
        ContextCacheDescriptor context = new(raw);
        return iotlb.Type switch
        {
            InvalidationDescriptorType.Iotlb when iotlb.Granularity == IotlbGranularity.Page =>
                $"page {iotlb.Address.Value:X}h AM {iotlb.AddressMask}{(iotlb.Hint ? " IH" : "")}",
            InvalidationDescriptorType.Iotlb => iotlb.Granularity == IotlbGranularity.Domain ? "domain" : "global",
            InvalidationDescriptorType.ContextCache when context.Granularity == ContextGranularity.Device =>
                $"context device {context.Source} of {context.DomainId}",
            InvalidationDescriptorType.ContextCache => "context global",
            _ => null,
        };
    }

    // Without optimization the compiler makes every async method an object.
    private static bool IsOptimized => typeof(RemappingDriver).Assembly.GetCustomAttribute<DebuggableAttribute>() is not { IsJITOptimizerDisabled: true };

    // The least of some turns: what grows once, and what the runtime itself allocates meanwhile, is not in all of them.
    private static (int Accesses, long Bytes) Measure(CountingCpu cpu, RemappingDomain domain)
    {
        const int Turns = 5;
        const int Rounds = 500;
        (int Accesses, long Bytes) least = (int.MaxValue, long.MaxValue);
        for (int turn = 0; turn < Turns; turn++)
        {
            int accessesBefore = cpu.Accesses;
            long bytesBefore = GC.GetAllocatedBytesForCurrentThread();
            for (int round = 0; round < Rounds; round++)
            {
                ValueTask<DmaRefusal> map = domain.Map(new(0x8000), new(65 << 20), 4096, DmaDirection.FromDevice);
                Assert.True(map.IsCompletedSuccessfully);
                ValueTask<DmaRefusal> unmap = domain.Unmap(new(0x8000), 4096);
                Assert.True(unmap.IsCompletedSuccessfully);
            }

            long bytes = GC.GetAllocatedBytesForCurrentThread() - bytesBefore;
            least = (Math.Min(least.Accesses, (cpu.Accesses - accessesBefore) / Rounds), Math.Min(least.Bytes, bytes / Rounds));
        }

        return least;
    }

    private static BadUnit Spoil(BareMetal machine)
    {
        BadUnit bad = new(machine.Unit!, machine.Memory);
        machine.Bus.RemoveWindow(new(BareMetal.UnitAddress), machine.Unit!);
        machine.Bus.AddWindow(new(BareMetal.UnitAddress), (ulong)machine.Unit!.WindowLength, bad);
        return bad;
    }

    private static Task<RemappingDriver> Start(BareMetal machine) => RemappingDriver.Start(
        machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth }).AsTask();

    /// <summary>A processor that counts its accesses to memory and registers.</summary>
    private sealed class CountingCpu(ICpu cpu) : ICpu
    {
        public int Accesses { get; private set; }

        public Processor Processor => cpu.Processor;

        public byte ApicId => cpu.ApicId;

        public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
        {
            Accesses++;
            return cpu.TryRead(address, destination);
        }

        public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
        {
            Accesses++;
            return cpu.TryWrite(address, source);
        }

        public ulong Load(GuestPhysicalAddress address, int width)
        {
            Accesses++;
            return cpu.Load(address, width);
        }

        public void Store(GuestPhysicalAddress address, int width, ulong value)
        {
            Accesses++;
            cpu.Store(address, width, value);
        }

        public uint In(ushort port, int width) => cpu.In(port, width);

        public void Out(ushort port, int width, uint value) => cpu.Out(port, width, value);

        public Signal Vector(byte vector) => cpu.Vector(vector);
    }
}
