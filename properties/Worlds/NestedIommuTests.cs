using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Guests whose own first-stage tables the host's unit walks: the same drivers as on the host, and what costs a trap.</summary>
public sealed class NestedIommuTests
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId s_place = new(0, 2, 0);
    private static readonly VirtualIommuOptions s_nested = new() { Mode = VirtualIommuMode.Nested, BeforeTranslation = BeforeTranslation.Nothing };

    public static TheoryData<string> Profiles => ["friendly-scalable", "hostile-scalable"];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_guest_reads_its_disk_through_first_stage_tables_of_its_own(string profile)
    {
        foreach (bool isXhci in (bool[])[false, true])
        {
            byte[] content = Content(64);
            using DirectDmaComputer computer = Computer(profile, content, isXhci);
            VirtualIommu iommu = computer.Guest.AddIommu(new() { Mode = VirtualIommuMode.Nested });
            byte[] found = computer.Host.Loop.Run(() => ReadDisk(computer));
            Assert.Equal(content, found);
            Assert.Equal(0ul, computer.Host.Faults.Total);
            Assert.True(iommu.Traps > 0);
            computer.Host.Loop.Run(() => computer.Host.Destroy(computer.Guest).AsTask());
            Assert.Equal(0ul, computer.Host.Frames.Pins);
        }
    }

    [Theory]
    [InlineData("friendly", true, "ECAP.SMTS")]
    [InlineData("core-ultra", true, "ECAP.NEST")]
    [InlineData("friendly-scalable", false, "scalable mode")]
    public void A_host_that_cannot_nest_says_what_is_missing(string profile, bool scalable, string reason)
    {
        HardwareProfile real = HardwareProfile.Named(profile);
        using DirectDmaComputer computer = new(real, content: null, scalable: scalable && real.ExtendedCapabilities.ScalableMode);
        string text = Assert.Throws<InvalidOperationException>(() => computer.Guest.AddIommu(s_nested)).Message;
        Assert.Contains(reason, text, StringComparison.Ordinal);
        Assert.Null(computer.Guest.Iommu);
        _ = computer.Guest.AddIommu();
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_nested_unit_promises_the_first_stage_and_never_more_than_the_unit_of_the_host(string profile)
    {
        HardwareProfile real = HardwareProfile.Named(profile);
        using DirectDmaComputer computer = Computer(profile);
        HardwareProfile @virtual = computer.Guest.AddIommu(s_nested).Profile;
        Assert.Equal(0ul, @virtual.ExtendedCapabilities.Raw.Value & ~real.ExtendedCapabilities.Raw.Value);
        Assert.True(@virtual.ExtendedCapabilities is { ScalableMode: true, FirstStage: true, SecondStage: false, Nested: false, ProcessAddressSpaces: false });
        Assert.Equal((true, 0), (@virtual.Capabilities.CachingMode, @virtual.Capabilities.SupportedWidths));
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_map_costs_no_exit_and_an_unmap_those_of_one_invalidation(string profile)
    {
        using DirectDmaComputer computer = Computer(profile);
        computer.Guest.AddIommu(s_nested);
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            RemappingDomain domain = await software.Attach(s_place);
            Meter meter = computer.Guest.Cpu.Processor.Meter;
            (ulong exits, ulong traps) = (meter[Cost.Exit], computer.Guest.Iommu!.Traps);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 16 * 4096, DmaDirection.Bidirectional));
            Assert.Equal((0ul, 0ul), (meter[Cost.Exit] - exits, computer.Guest.Iommu.Traps - traps));
            Assert.Equal(DmaStatus.Success, port.Write(new(0x10_0010), [1, 2, 3]));
            byte[] found = new byte[3];
            Assert.True(computer.Guest.Cpu.TryRead(new((5 * MiB) + 0x10), found));
            Assert.Equal([1, 2, 3], found);

            // The tail, and one look at the fault status while it is waited for.
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new(0x10_0000), 16 * 4096));
            Assert.Equal((2ul, 2ul), (meter[Cost.Exit] - exits, computer.Guest.Iommu.Traps - traps));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x10_0010), [1, 2, 3]));
        });
    }

    [Fact]
    public void All_memory_of_a_guest_is_pinned_while_it_has_a_device_and_a_quota_that_is_smaller_keeps_it_away()
    {
        using DirectDmaComputer computer = Computer("friendly-scalable");
        VirtualMachine guest = computer.Guest;
        VirtualIommu iommu = guest.AddIommu(s_nested);
        ulong pages = guest.Memory.Bytes / 4096;
        guest.PinnedPagesMax = pages - 1;
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentRefusal.NoDomain, (await computer.Assignment.Assign(guest, s_place)).Refusal);
            Assert.Equal((0ul, 0ul, 0ul), (guest.PinnedPages, iommu.PinnedPages, computer.Host.Frames.Pins));
            guest.PinnedPagesMax = pages;
            Assert.True((await computer.Assignment.TakeBack()).IsDone);
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(guest, s_place));
            Assert.Equal((pages, pages), (guest.PinnedPages, iommu.PinnedPages));
            Assert.True((await computer.Assignment.TakeBack()).IsDone);
        });
        Assert.Equal((0ul, 0ul, 0ul), (guest.PinnedPages, iommu.PinnedPages, computer.Host.Frames.Pins));
    }

    [Theory]
    [InlineData(BeforeTranslation.AllMemory)]
    [InlineData(BeforeTranslation.Nothing)]
    public void Before_a_guest_translates_a_device_reaches_what_the_VMM_says(BeforeTranslation before)
    {
        using DirectDmaComputer computer = Computer("hostile-scalable");
        computer.Guest.AddIommu(s_nested with { BeforeTranslation = before });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
            DmaStatus expected = before == BeforeTranslation.AllMemory ? DmaStatus.Success : DmaStatus.Blocked;
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            Assert.Equal(expected, port.Write(new(0x5000), [7]));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x100_0000), [7]));
            Assert.True((await computer.Assignment.Withdraw()).IsDone);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x5000), [7]));
        });
    }

    [Fact]
    public void A_guest_that_lets_a_device_through_and_takes_it_back_gives_it_all_memory_and_nothing()
    {
        using DirectDmaComputer computer = Computer("friendly-scalable");
        computer.Guest.AddIommu(s_nested);
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0xFF_F000), [1]));
            Assert.Equal(DmaRefusal.None, await software.Driver.AttachPassThrough(s_place));
            Assert.Equal(DmaStatus.Success, port.Write(new(0xFF_F000), [1]));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x100_0000), [1]));
            await software.Driver.Detach(s_place);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0xFF_F000), [1]));
            await software.Driver.Shutdown();
        });
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_fault_in_the_guests_tables_is_the_guests_and_one_below_them_the_hosts(string profile)
    {
        using DirectDmaComputer computer = Computer(profile);
        computer.Guest.AddIommu(s_nested);
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            RemappingDomain domain = await software.Attach(s_place);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 4096, DmaDirection.ToDevice));

            // Of the first stage: the guest learns of it, as its own unit would have recorded it.
            foreach ((ulong address, FaultReason reason) in new[]
            {
                (0x10_0000ul, FaultReason.ScalableWriteNotPermitted), (0x20_0000ul, FaultReason.FirstStageNotPresent), (1ul << 60, FaultReason.AddressNotCanonical),
            })
            {
                Assert.Equal(DmaStatus.Blocked, port.Write(new(address), [1]));
                Assert.True(await software.Driver.WaitForFault(1_000_000));
                FaultReport fault = Assert.Single(software.Driver.DrainFaults());
                Assert.Equal((s_place, reason, new Iova(address), true), (fault.Source, fault.Reason, fault.Address, fault.Write));
            }

            // Of the second stage: where the guest has no memory nothing answers, and the host alone knows why.
            ulong before = computer.Host.Faults.Total;
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x30_0000), new(64 * MiB), 4096, DmaDirection.Bidirectional));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x30_0000), [1]));
            Assert.False(await software.Driver.WaitForFault(1_000_000));
            Assert.Equal(before + 1, computer.Host.Faults.Total);
        });
    }

    [Fact]
    public void A_large_page_of_the_guest_is_walked_as_one_and_splits()
    {
        using DirectDmaComputer computer = Computer("friendly-scalable");
        computer.Guest.AddIommu(s_nested);
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            RemappingDomain domain = await software.Attach(s_place);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(64 * MiB), new(4 * MiB), 2 * MiB, DmaDirection.Bidirectional));
            Assert.True(domain.TryFind(new((64 * MiB) + 0x5000), out RemappingLeaf leaf));
            Assert.Equal(2 * MiB, leaf.PageSize);
            Assert.Equal(DmaStatus.Success, port.Write(new(64 * MiB), [9]));
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new(64 * MiB), 4096));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(64 * MiB), [9]));
            Assert.Equal(DmaStatus.Success, port.Write(new((64 * MiB) + 0x1000), [8]));
            byte[] found = new byte[1];
            Assert.True(computer.Guest.Cpu.TryRead(new((4 * MiB) + 0x1000), found));
            Assert.Equal(8, found[0]);
        });
    }

    [Fact]
    public void A_guest_that_forgets_to_invalidate_goes_on_with_what_the_hosts_unit_has_cached()
    {
        using DirectDmaComputer computer = Computer("friendly-scalable");
        computer.Guest.AddIommu(s_nested);
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            RemappingDomain domain = await software.Attach(s_place);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 4096, DmaDirection.Bidirectional));
            Assert.Equal(DmaStatus.Success, port.Write(new(0x10_0000), [1]));
            Assert.Equal(DmaRefusal.None, await domain.UnmapDeferred(new(0x10_0000), 4096));
            Assert.Equal(DmaStatus.Success, port.Write(new(0x10_0000), [2]));
            await domain.Flush();
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x10_0000), [3]));
        });
    }

    [Fact]
    public void What_a_trusted_device_keeps_for_itself_goes_with_what_its_guest_invalidates()
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named("friendly-scalable"), Scalable = true });
        PciBridge bridge = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
        AtsDevice device = new(host.Loop);
        bridge.Secondary.Add(device, 0);
        host.Pci.Add(bridge, 1);
        host.Boot();
        VirtualMachine guest = host.CreateMachine("guest", 16 * MiB);
        guest.AddIommu(s_nested);
        Assignment assignment = host.AssignmentOf(device.Source);
        assignment.TrustsDeviceTlb = true;
        host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await assignment.Assign(guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(guest);
            guest.Pci.WriteConfiguration(s_place, PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
            RemappingDomain domain = await software.Attach(s_place);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 4096, DmaDirection.Bidirectional));
            Assert.Equal((uint)DmaStatus.Success, device.Do(AtsCommand.Write, 0x10_0000));
            Assert.Equal((1ul, 1), (device.Port.Questions, device.Port.Count));
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new(0x10_0000), 4096));
            Assert.Equal(0, device.Port.Count);
            Assert.Equal((uint)DmaStatus.Blocked, device.Do(AtsCommand.Write, 0x10_0000));
            Assert.False(software.Driver.CanUseDeviceTlbs);
        });
    }

    [Theory]
    [InlineData(VirtualIommuMode.Shadow)]
    [InlineData(VirtualIommuMode.Nested)]
    public void Where_all_memory_is_mapped_the_guests_own_unit_still_decides(VirtualIommuMode mode)
    {
        using DirectDmaComputer computer = Computer("friendly-scalable");
        computer.Guest.AddIommu(s_nested with { Mode = mode });
        computer.Guest.Mapping = new() { Policy = MappingPolicy.Static };
        computer.Host.Loop.Run(async () =>
        {
            (RemappedGuest software, RemappedPort port) = await Open(computer);
            RemappingDomain domain = await software.Attach(s_place);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x10_0000), [1]));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 4096, DmaDirection.Bidirectional));
            Assert.Equal(DmaStatus.Success, port.Write(new(0x10_0000), [1]));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(5 * MiB), [1]));
        });
    }

    private static DirectDmaComputer Computer(string profile, byte[]? content = null, bool isXhci = false) =>
        new(HardwareProfile.Named(profile), content, isXhci: isXhci, scalable: true);

    private static async Task<(RemappedGuest Software, RemappedPort Port)> Open(DirectDmaComputer computer)
    {
        Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
        return (await RemappedGuest.Start(computer.Guest), computer.Host.Unit.Open(computer.Assignment.Source));
    }

    private static async Task<byte[]> ReadDisk(DirectDmaComputer computer)
    {
        (RemappedGuest software, _) = await Open(computer);
        (PciDevice device, RemappedDmaSpace dma) = await software.Open(s_place);
        byte[] content = await DiskReader.ReadAll(device);
        Assert.Equal(0, dma.MappingsLive);
        return content;
    }

    private static byte[] Content(int sectors)
    {
        byte[] content = new byte[512 * sectors];
        for (int at = 0; at < content.Length; at++)
            content[at] = (byte)((at * 31) ^ (at >> 8));
        return content;
    }
}
