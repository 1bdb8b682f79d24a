using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

public sealed class RemappingStartTests
{
    private static readonly SourceId s_device = new(0, 3, 0);

    public static TheoryData<string> Profiles() => [.. ProfileChoice.Names];

    [Fact]
    public void Where_no_unit_answers_the_start_is_refused()
    {
        using BareMetal machine = new();
        Assert.Contains("nothing answers", RefusalOf(machine), StringComparison.Ordinal);
    }

    [Fact]
    public void A_unit_that_lacks_what_the_driver_needs_is_refused_untouched()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        HardwareProfile minimal = HardwareProfile.Named("minimal");
        Refused(friendly with { Capabilities = friendly.Capabilities with { SupportedWidths = 0b10001 } }, "no tables of 3, 4 or 5 levels");
        Refused(friendly with { Capabilities = friendly.Capabilities with { DomainsCode = 7 } }, "number of domains");
        Refused(minimal with { Version = new() { Major = 6 } }, "no register-based invalidation");
    }

    [Fact]
    public void A_window_too_small_for_the_unit_is_refused()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        Assert.Contains("fault records", RefusalOf(machine, new(48) { WindowLength = 0x500 }), StringComparison.Ordinal);
        Assert.Equal(machine.Frames.FramesTotal, machine.Frames.FramesFree);
    }

    [Fact]
    public void Without_frames_for_its_tables_the_start_is_refused_and_takes_none()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        for (ulong count = 1; count <= 2; count++)
        {
            FrameAllocator frames = new(new(16 << 20), count * 4096);
            Assert.Contains("No frames", RefusalOf(machine, frames: frames), StringComparison.Ordinal);
            Assert.Equal(count, frames.FramesFree);
        }

    }

    [Fact]
    public void Frames_that_no_entry_can_name_are_the_callers_mistake()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        Assert.Throws<ArgumentException>(() => machine.Loop.Run(
            () => RemappingDriver.Start(machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(48) { HostAddressWidth = 24 }).AsTask()));
    }

    [Fact]
    public void A_unit_that_never_does_what_it_is_told_is_given_up_in_time()
    {
        foreach (int deaf in (int[])[RegisterOffsets.GlobalCommand, RegisterOffsets.InvalidationQueueTail])
        {
            using BareMetal machine = new(HardwareProfile.Named("core-8th"));
            _ = Spoil(machine, bad => bad.DeafRegisters.Add(deaf));
            Assert.Contains("is broken", RefusalOf(machine, new(48) { TimeoutNs = 5_000_000, HostAddressWidth = 39 }), StringComparison.Ordinal);
            Assert.InRange(machine.Loop.NowNs, 5_000_000ul, 5_200_000ul);
        }
    }

    [Fact]
    public void A_unit_that_does_not_end_a_register_invalidation_is_given_up_in_time()
    {
        using BareMetal machine = new(HardwareProfile.Named("minimal"));
        _ = Spoil(machine, bad => bad.DeafRegisters.Add(RegisterOffsets.ContextCommand));
        Assert.Contains("refused to invalidate", RefusalOf(machine, new(48) { HostAddressWidth = 36 }), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_unit_that_someone_left_on_is_taken_over(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver before = await Start(machine);
            RemappingDomain old = before.CreateDomain();
            await before.Attach(s_device, old);
            await old.Map(new(0x1000), new(64 << 20), 4096, DmaDirection.Bidirectional);
            Assert.Equal(DmaStatus.Success, machine.Unit!.Open(s_device).Read(new(0x1000), new byte[4]));
            Assert.Equal(DmaStatus.Blocked, machine.Unit.Open(s_device).Read(new(0x2000), new byte[4]));

            RemappingDriver after = await Start(machine);
            Assert.Empty(after.DrainFaults());
            Assert.Equal(DmaStatus.Blocked, machine.Unit.Open(s_device).Read(new(0x1000), new byte[4]));
            FaultReport report = Assert.Single(after.DrainFaults());
            Assert.Equal(FaultReason.RootNotPresent, report.Reason);
        });
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Shut_down_a_unit_lets_everything_pass_and_keeps_no_frame(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            await domain.Map(new(0x1000), new(64 << 20), 0x7000, DmaDirection.Bidirectional);
            Assert.Equal(DmaStatus.Blocked, machine.Unit!.Open(new(9, 9, 1)).Read(new(64 << 20), new byte[4]));
            await driver.Shutdown();
            Assert.Equal(DmaStatus.Success, machine.Unit.Open(new(9, 9, 1)).Read(new(64 << 20), new byte[4]));
            Assert.Equal(0, driver.FramesInUse);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await domain.Unmap(new(0x1000), 0x1000));
        });
        Assert.Equal(machine.Frames.FramesTotal, machine.Frames.FramesFree);
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_requester_passes_untranslated_only_where_the_unit_can_do_that(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            Assert.Equal(driver.CanPassThrough ? DmaRefusal.None : DmaRefusal.Denied, await driver.AttachPassThrough(s_device));
            Assert.Equal(driver.CanPassThrough ? DmaStatus.Success : DmaStatus.Blocked, machine.Unit!.Open(s_device).Write(new(64 << 20), new byte[4]));
            if (!driver.CanPassThrough)
                return;
            await driver.Detach(s_device);
            Assert.Equal(DmaStatus.Blocked, machine.Unit.Open(s_device).Write(new(64 << 20), new byte[4]));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await driver.Detach(s_device));
        });
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Domain_ids_run_out_and_come_back(string profile)
    {
        HardwareProfile shape = HardwareProfile.Named(profile);
        using BareMetal machine = new(shape with { Capabilities = shape.Capabilities with { DomainsCode = 0 } });
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            List<RemappingDomain> domains = [];
            int count = driver.Capabilities.CachingMode ? 15 : 16;
            for (int index = 0; index < count; index++)
                domains.Add(driver.CreateDomain());
            Assert.Equal(count, domains.Select(domain => domain.Id).Distinct().Count());
            Assert.Equal(driver.Capabilities.CachingMode, !domains.Exists(domain => domain.Id.Value == 0));
            Assert.Contains("16 domain-ids", Assert.Throws<DeviceException>(() => driver.CreateDomain()).Message, StringComparison.Ordinal);

            // A number that is used again leads to nothing of its last owner.
            RemappingDomain gone = domains[5];
            await gone.Map(new(0x1000), new(64 << 20), 4096, DmaDirection.Bidirectional);
            await driver.Attach(s_device, gone);
            Assert.Equal(DmaStatus.Success, machine.Unit!.Open(s_device).Read(new(0x1000), new byte[4]));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await driver.Release(gone));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await driver.Attach(s_device, domains[6]));
            await driver.Detach(s_device);
            await driver.Release(gone);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await driver.Attach(s_device, gone));
            RemappingDomain heir = driver.CreateDomain();
            Assert.Equal(gone.Id, heir.Id);
            await driver.Attach(s_device, heir);
            Assert.Equal(DmaStatus.Blocked, machine.Unit.Open(s_device).Read(new(0x1000), new byte[4]));
        });
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Every_width_of_tables_that_the_unit_has_can_be_used_to_its_end(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            RemappedPort port = machine.Unit!.Open(s_device);
            foreach (AddressWidth width in Enum.GetValues<AddressWidth>())
            {
                if (!machine.Unit.Profile.Supports(width))
                {
                    Assert.Throws<ArgumentOutOfRangeException>(() => driver.CreateDomain(width));
                    continue;
                }

                RemappingDomain domain = driver.CreateDomain(width);
                Assert.Equal(Math.Min(30 + (9 * (int)width), driver.Capabilities.MaximumWidthCode + 1), domain.AddressBits);
                await driver.Attach(s_device, domain);
                Iova last = new((1ul << domain.AddressBits) - 4096);
                Assert.Equal(DmaRefusal.None, await domain.Map(last, new(64 << 20), 4096, DmaDirection.ToDevice));
                Assert.Equal(DmaStatus.Success, port.Read(last + 4088, new byte[8]));
                Assert.Equal(DmaRefusal.BadRange, await domain.Map(last, new(64 << 20), 8192, DmaDirection.ToDevice));
                Assert.Equal(DmaRefusal.BadRange, await domain.Map(last + 4096, new(64 << 20), 4096, DmaDirection.ToDevice));
                Assert.Equal(DmaStatus.Blocked, port.Read(last + 4096, new byte[8]));
                Assert.Equal(FaultReason.AddressBeyondWidth, driver.DrainFaults()[^1].Reason);
                await driver.Detach(s_device);
            }
        });
    }

    [Fact]
    public void A_mapping_that_the_tables_cannot_hold_is_refused_and_leaves_nothing()
    {
        using BareMetal machine = new(HardwareProfile.Named("hostile"));
        machine.Loop.Run(async () =>
        {
            FrameAllocator frames = new(new(16 << 20), 20 * 4096);
            RemappingDriver driver = await Start(machine, frames);
            RemappingDomain domain = driver.CreateDomain();
            ulong free = frames.FramesFree;

            // Sixteen frames: tables for 26 MiB by pages of 4 KiB, not for 32.
            Assert.Equal(16ul, free);
            Assert.Equal(DmaRefusal.Exhausted, await domain.Map(new(1 << 30), new(64 << 20), 32 << 20, DmaDirection.ToDevice));
            Assert.Equal(free, frames.FramesFree);
            Assert.False(domain.TryFind(new(1 << 30), out _));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(1 << 30), new(64 << 20), 26 << 20, DmaDirection.ToDevice));
            while (frames.TryAllocate(out _))
            {
            }

            Assert.Equal(DmaRefusal.Exhausted, await driver.Attach(new(200, 0, 0), domain));
            Assert.Equal(0, domain.Attached);
            Assert.Contains("No frame", Assert.Throws<DeviceException>(() => driver.CreateDomain()).Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_superpage_that_cannot_be_split_stays_whole()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            FrameAllocator frames = new(new(16 << 20), 64 * 4096);
            RemappingDriver driver = await Start(machine, frames);
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(s_device, domain);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(1 << 30), new(1 << 30), 1 << 30, DmaDirection.ToDevice));
            GuestPhysicalAddress spare = default;
            while (frames.TryAllocate(out GuestPhysicalAddress frame))
                spare = frame;

            // One frame is enough to get from 1 GiB to 2 MiB, not from there to 4 KiB.
            frames.Free(spare);
            Assert.Equal(DmaRefusal.Exhausted, await domain.Unmap(new((1 << 30) + 4096), 4096));
            Assert.Equal(DmaStatus.Success, machine.Unit!.Open(s_device).Read(new((1 << 30) + 4096), new byte[8]));
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new((1 << 30) + (2 << 20)), 2 << 20));
            Assert.Equal(DmaStatus.Blocked, machine.Unit.Open(s_device).Read(new((1 << 30) + (2 << 20)), new byte[8]));
            Assert.Equal(DmaStatus.Success, machine.Unit.Open(s_device).Read(new((1 << 30) + (4 << 20)), new byte[8]));
        });
    }

    private static Task<RemappingDriver> Start(BareMetal machine, FrameAllocator? frames = null) => RemappingDriver.Start(
        machine.Cpu, new(BareMetal.UnitAddress), frames ?? machine.Frames,
        new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth, WindowLength = (ulong)machine.Unit.WindowLength }).AsTask();

    private static BadUnit Spoil(BareMetal machine, Action<BadUnit> how)
    {
        BadUnit bad = new(machine.Unit!, machine.Memory);
        how(bad);
        machine.Bus.RemoveWindow(new(BareMetal.UnitAddress), machine.Unit!);
        machine.Bus.AddWindow(new(BareMetal.UnitAddress), (ulong)machine.Unit!.WindowLength, bad);
        return bad;
    }

    private static void Refused(HardwareProfile profile, string reason)
    {
        using BareMetal machine = new(profile);
        Assert.Contains(reason, RefusalOf(machine), StringComparison.Ordinal);
        Assert.Equal(machine.Frames.FramesTotal, machine.Frames.FramesFree);
        Assert.Equal(0ul, machine.Bus.Load(new(BareMetal.UnitAddress + RegisterOffsets.GlobalStatus), 4));
        Assert.Equal(0ul, machine.Bus.Load(new(BareMetal.UnitAddress + RegisterOffsets.FaultEventData), 4));
    }

    private static string RefusalOf(BareMetal machine, RemappingOptions? options = null, FrameAllocator? frames = null) =>
        machine.Loop.Run(async () =>
            (await Assert.ThrowsAsync<DeviceException>(async () => await RemappingDriver.Start(
                machine.Cpu, new(BareMetal.UnitAddress), frames ?? machine.Frames, options ?? new(FaultVector: 48) { HostAddressWidth = 36 }))).Message);
}
