using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Guests that have a remapping unit of their own: the same drivers, and what the VMM does beneath.</summary>
public sealed class VirtualIommuTests
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId s_place = new(0, 2, 0);

    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_guest_reads_its_disk_through_a_remapping_unit_of_its_own(string profile)
    {
        foreach (bool isXhci in (bool[])[false, true])
        {
            byte[] content = DiskReader.Content(64);
            using DirectDmaComputer computer = new(profile, content, isXhci: isXhci);
            VirtualIommu iommu = computer.Guest.AddIommu();
            Assert.Equal(content, computer.Host.Loop.Run(() => ReadDisk(computer)));
            Assert.Equal(0ul, computer.Host.Faults.Total);
            Assert.True(iommu.Traps > 0);
            computer.Host.Loop.Run(() => computer.Host.Destroy(computer.Guest).AsTask());
            Assert.Equal(0ul, computer.Host.Frames.Pins);
        }
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_virtual_unit_never_promises_more_than_the_unit_of_the_host(string profile)
    {
        HardwareProfile real = HardwareProfile.Named(profile);
        using DirectDmaComputer computer = new(real, content: null);
        HardwareProfile @virtual = computer.Guest.AddIommu().Profile;
        const ulong restrictions = 1ul << 7;
        const ulong numbers = 0x7F_00_03F0_0000 | (0x3Ful << 48) | 0xFF_0000_0007 | (0xFFul << 40) | 0x3F_0000;
        Assert.Equal(0ul, @virtual.Capabilities.Raw.Value & ~real.Capabilities.Raw.Value & ~restrictions & ~numbers);
        Assert.Equal(0ul, @virtual.ExtendedCapabilities.Raw.Value & ~real.ExtendedCapabilities.Raw.Value);
        Assert.True(@virtual.Capabilities.CachingMode);
        Assert.True(@virtual.Capabilities.MaximumWidthCode <= real.Capabilities.MaximumWidthCode);
        Assert.True(@virtual.Capabilities.DomainsCode <= real.Capabilities.DomainsCode);
        Assert.True(@virtual.Capabilities.MaximumAddressMask <= real.Capabilities.MaximumAddressMask);
    }

    [Fact]
    public void A_guest_with_a_unit_of_its_own_gets_no_DMA_by_hypercall()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Guest.AddIommu();
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
            HypercallResult result = await computer.Guest.Cpu.Call(Hypercall.MapDma, s_place.Value, MiB, 4096, (ulong)DmaDirection.Bidirectional);
            Assert.Equal(DmaRefusal.Denied, result.Refusal);
        });
    }

    [Fact]
    public void A_guest_that_maps_more_than_its_quota_sees_faults_for_the_rest()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        VirtualMachine guest = computer.Guest;
        guest.PinnedPagesMax = 8;
        VirtualIommu iommu = guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(guest);
            RemappingDomain domain = software.Driver.CreateDomain();
            Assert.Equal(DmaRefusal.None, await software.Driver.Attach(s_place, domain));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x10_0000), new(5 * MiB), 10 * 4096, DmaDirection.Bidirectional));
            Assert.Equal(8ul, guest.PinnedPages);
            Assert.True(iommu.PagesRefused > 0);
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            Assert.Equal(DmaStatus.Success, port.Write(new(0x10_7000), [1, 2, 3]));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x10_8000), [1, 2, 3]));
            Assert.True(await software.Driver.WaitForFault(1_000_000));
            FaultReport fault = Assert.Single(software.Driver.DrainFaults());
            Assert.Equal((s_place, FaultReason.WriteNotPermitted, new Iova(0x10_8000), true), (fault.Source, fault.Reason, fault.Address, fault.Write));

            // What goes makes room.
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new(0x10_0000), 4 * 4096));
            Assert.Equal(4ul, guest.PinnedPages);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x20_0000), new(6 * MiB), 4 * 4096, DmaDirection.Bidirectional));
            Assert.Equal(8ul, guest.PinnedPages);
            Assert.True((await computer.Assignment.TakeBack()).IsDone);
        });
        Assert.Equal((0ul, 0ul), (guest.PinnedPages, computer.Host.Frames.Pins));
    }

    [Theory]
    [InlineData(BeforeTranslation.AllMemory)]
    [InlineData(BeforeTranslation.Nothing)]
    public void Before_a_guest_translates_a_device_reaches_what_the_VMM_says(BeforeTranslation before)
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Guest.AddIommu(new() { BeforeTranslation = before });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
            DmaStatus status = computer.Host.Unit.Open(computer.Assignment.Source).Write(new(0x5000), [7]);
            Assert.Equal(before == BeforeTranslation.AllMemory ? DmaStatus.Success : DmaStatus.Blocked, status);
            byte[] found = new byte[1];
            Assert.True(computer.Guest.Cpu.TryRead(new(0x5000), found));
            Assert.Equal(before == BeforeTranslation.AllMemory ? 7 : 0, found[0]);
        });
    }

    [Fact]
    public void A_guest_that_lets_a_device_through_and_takes_it_back_gives_it_all_memory_and_nothing()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(computer.Guest);
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0xFF_F000), [1]));
            Assert.Equal(DmaRefusal.None, await software.Driver.AttachPassThrough(s_place));
            Assert.Equal(DmaStatus.Success, port.Write(new(0xFF_F000), [1]));
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0x100_0000), [1]));
            Assert.Equal(16 * MiB / 4096, computer.Guest.PinnedPages);
            await software.Driver.Detach(s_place);
            Assert.Equal(DmaStatus.Blocked, port.Write(new(0xFF_F000), [1]));
            Assert.Equal(0ul, computer.Guest.PinnedPages);
            await software.Driver.Shutdown();
        });
    }

    [Fact]
    public void Registers_are_no_memory_that_a_guest_can_let_a_device_write()
    {
        using Host host = AssignmentWorld.Small();
        DmaDevice device = new();
        host.Pci.Add(device, 4);
        host.Boot();
        VirtualMachine guest = host.CreateMachine("guest", 16 * MiB);
        guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
        Assignment assignment = host.AssignmentOf(device.Source);
        host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await assignment.Assign(guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(guest);
            (PciDevice opened, _) = await software.Open(s_place);
            GuestPhysicalAddress registers = ((RegisterWindow)opened.OpenBar(0)).Address;
            Assert.Equal(EptOutcome.Mapped, guest.Memory.Tables.Walk(registers, EptRights.Read).Outcome);
            RemappingDomain domain = software.Driver.CreateDomain();
            await software.Driver.Detach(s_place);
            Assert.Equal(DmaRefusal.None, await software.Driver.Attach(s_place, domain));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x1000), registers, 4096, DmaDirection.Bidirectional));
            Assert.False(host.Unit.Explain(device.Source, new(0x1000), write: true).Passes);
            Assert.Equal(DmaStatus.Blocked, device.Write(0x1000, [1]));

            // On a bus where nothing takes it, that is no fault of translation.
            Assert.False(await software.Driver.WaitForFault(1_000_000));
            Assert.Equal(0ul, guest.PinnedPages);
        });
    }

    [Fact]
    public void A_page_that_was_taken_out_comes_in_when_it_is_mapped_and_not_in_the_place_of_one_mapped_with_it()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        VirtualMachine guest = computer.Guest;
        guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(guest);
            RemappingDomain domain = software.Driver.CreateDomain();
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x40_0000), new(0), 8 * 4096, DmaDirection.ToDevice));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x40_8000), new(8 * MiB), 8 * 4096, DmaDirection.ToDevice));

            // Pages 0 to 7 are in and the first that would go; eight others are out, and no frame is left.
            ulong[] pages = [.. Enumerable.Range(0, 8).Select(page => (ulong)page * 4096), .. Enumerable.Range(0, 8).Select(page => (8 * MiB) + ((ulong)page * 4096))];
            for (int page = 0; page < pages.Length; page++)
                Assert.True(guest.Cpu.TryWrite(new(pages[page]), [(byte)(page + 1)]));
            foreach (ulong page in pages[8..])
                Assert.Equal(PageRefusal.None, await guest.Mover.SwapOut(new(page)));
            while (computer.Host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out _))
            {
            }

            // All sixteen come at once.
            Assert.Equal(DmaRefusal.None, await software.Driver.Attach(s_place, domain));
            Assert.Equal(16ul, guest.PinnedPages);
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            for (int page = 0; page < pages.Length; page++)
            {
                byte[] found = new byte[1];
                Assert.Equal(DmaStatus.Success, port.Read(new(0x40_0000 + ((ulong)page * 4096)), found));
                Assert.Equal(page + 1, found[0]);
            }
        });
    }

    [Fact]
    public void A_large_page_of_the_guest_is_a_large_page_of_the_shadow_and_splits_without_a_gap()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
        computer.Host.Loop.Run(async () =>
        {
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
            RemappedGuest software = await RemappedGuest.Start(computer.Guest);
            RemappingDomain domain = software.Driver.CreateDomain();
            Assert.Equal(DmaRefusal.None, await software.Driver.Attach(s_place, domain));
            Assert.Equal(DmaRefusal.None, await domain.Map(new(64 * MiB), new(4 * MiB), 2 * MiB, DmaDirection.Bidirectional));
            WalkTranscript walk = computer.Host.Unit.Explain(computer.Assignment.Source, new((64 * MiB) + 0x5000), write: true);
            Assert.Equal((true, 2 * MiB), (walk.Passes, walk.PageBytes));
            Assert.Equal(DmaRefusal.None, await domain.Unmap(new(64 * MiB), 4096));
            Assert.False(computer.Host.Unit.Explain(computer.Assignment.Source, new(64 * MiB), write: true).Passes);
            WalkTranscript rest = computer.Host.Unit.Explain(computer.Assignment.Source, new((64 * MiB) + 0x5000), write: true);
            Assert.Equal((walk.Target, 4096ul), (rest.Target, rest.PageBytes));
            Assert.Equal(511ul, computer.Guest.PinnedPages);
        });
    }

    [Fact]
    public void A_device_interrupts_through_the_entry_that_the_guest_made_for_it_and_no_other()
    {
        byte[] content = DiskReader.Content(16);
        using DirectDmaComputer computer = new("friendly", content);
        VirtualIommu iommu = computer.Guest.AddIommu();
        Assert.Equal(content, computer.Host.Loop.Run(() => ReadDisk(computer, interruptEntries: 256)));
        Assert.True(iommu.Interrupts.Remapped > 0);
        Assert.Equal(0ul, computer.Host.Faults.Total);

        // A virtual function that writes the message of another one is refused, and the guest sees why.
        DmaDevice forger = new();
        computer.Guest.Pci.Add(forger, 5);
        computer.Guest.Pci.WriteConfiguration(forger.Source, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Blocked, forger.Write(InterruptRange.First | 0x10, [0, 0, 0, 0]));
        Assert.Equal(DmaStatus.Blocked, forger.Write(InterruptRange.First, [0x50, 0, 0, 0]));
    }

    private static async Task<byte[]> ReadDisk(DirectDmaComputer computer, int interruptEntries = 0)
    {
        Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, s_place));
        RemappedGuest software = await RemappedGuest.Start(computer.Guest, interruptEntries);
        (PciDevice device, RemappedDmaSpace dma) = await software.Open(s_place);
        byte[] content = await DiskReader.ReadAll(device);
        Assert.Equal(0, dma.MappingsLive);
        return content;
    }
}
