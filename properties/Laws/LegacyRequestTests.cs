using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using static Dma.Properties.LegacyFaults;

namespace Dma.Properties;

/// <summary>Which requests legacy mode serves, wherever they lead: types, the interrupt range, rights, and what the transcript says.</summary>
public sealed class LegacyRequestTests
{
    [Fact]
    public void Reason_D_the_translation_type_does_not_serve_the_request()
    {
        using RemappingWorld world = Mapped();
        foreach (TranslationType type in (TranslationType[])[TranslationType.UntranslatedOnly, TranslationType.PassThrough])
        {
            world.PutContext(RemappingWorld.Device, world.Context(world.Frame()) with { TranslationType = type });
            world.InvalidateContext(ContextGranularity.Global);
            Assert.Equal(DmaStatus.Blocked, world.Port.Write(new(Target), [1], new(AddressType.Translated)));
            Assert.Equal(FaultReason.RequestTypeBlocked, world.TakeFault().Fault.Reason);
            Assert.Equal(TranslationStatus.UnsupportedRequest, world.Port.RequestTranslation(new(Target), true).Status);
            Assert.Equal(AddressType.Translation, world.TakeFault().Fault.Attributes.AddressType);
        }
    }

    [Fact]
    public void Reason_E_the_translated_address_lies_among_interrupts()
    {
        using RemappingWorld world = Mapped();
        world.Put(Place(world, 1), RemappingWorld.Page(InterruptRange.First + 0x5000).Raw.Value);
        Assert.Equal(DmaStatus.Blocked, world.Port.Write(new(Address), [1, 2, 3, 4]));
        Assert.Equal(FaultReason.OutputInInterruptRange, world.TakeFault().Fault.Reason);

        // A 2 MiB page may hold the range: only addresses in it are blocked.
        world.Put(Place(world, 2), (RemappingWorld.Page(InterruptRange.First & ~0x1F_FFFFul) with { PageSize = true }).Raw.Value);
        world.InvalidateIotlb(IotlbGranularity.Global);
        ulong inRange = (InterruptRange.First & 0x1F_FFFF) + Address;
        Refused(world, FaultReason.OutputInInterruptRange, at: inRange);
        Assert.Equal(inRange > Address, world.Port.TryTranslate(new(Address), false, out _));
        Assert.Empty(world.Messages);
    }

    [Fact]
    public void A_superpage_around_the_interrupt_range_never_answers_for_it()
    {
        const ulong page = InterruptRange.First & ~0x1F_FFFFul;
        const ulong neighbour = page + 0x10_0000;
        using RemappingWorld world = Mapped();
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));

        // As input: interrupts stay interrupts, however often the neighbourhood was used.
        world.Map(top, AddressWidth.Bits57, page, RemappingWorld.Page(0x20_0000) with { PageSize = true }, 2);
        for (int time = 0; time < 3; time++)
        {
            Assert.Equal(DmaStatus.Success, world.Port.Write(new(neighbour), [1, 2, 3, 4]));
            Assert.Equal(DmaStatus.Success, world.Port.Write(new(InterruptRange.First), [0x40, 0, 0, 0]));
            Assert.Equal(time + 1, world.Messages.Count);
            Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(InterruptRange.First), new byte[4]));
            _ = world.TakeFault();
        }

        // As output: what is translated into the range stays blocked.
        world.Map(top, AddressWidth.Bits57, 0x4000_0000, RemappingWorld.Page(page) with { PageSize = true }, 2);
        for (int time = 0; time < 3; time++)
        {
            Assert.True(world.Port.TryTranslate(new(0x4000_0000 + (neighbour - page)), false, out _));
            Assert.False(world.Port.TryTranslate(new(0x4000_0000 + (InterruptRange.First - page)), false, out _));
            Assert.Equal(FaultReason.OutputInInterruptRange, world.TakeFault().Fault.Reason);
        }
    }

    [Fact]
    public void Reason_29_a_request_into_the_interrupt_range_is_no_interrupt()
    {
        using RemappingWorld world = Mapped();
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        world.Map(top, AddressWidth.Bits57, InterruptRange.First, RemappingWorld.Page(Target));
        Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(InterruptRange.First), new byte[4]));
        Assert.Equal(FaultReason.InterruptRangeRequest, world.TakeFault().Fault.Reason);
        Assert.Equal(DmaStatus.Blocked, world.Port.Write(new(InterruptRange.First), new byte[8]));
        Assert.Equal(DmaStatus.Blocked, world.Port.Write(new(InterruptRange.First + 2), new byte[4]));
        Assert.Empty(world.Messages);
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(InterruptRange.First + 0x1000), [0x31, 0, 0, 0]));
        Assert.Equal(new MessageInterrupt(InterruptRange.First + 0x1000, 0x31), Assert.Single(world.Messages));
    }

    [Fact]
    public void Reason_31_a_request_carries_a_PASID()
    {
        foreach (bool capable in (bool[])[false, true])
        {
            HardwareProfile friendly = HardwareProfile.Named("friendly");
            using RemappingWorld world = Mapped(friendly with { ExtendedCapabilities = friendly.ExtendedCapabilities with { ProcessAddressSpaces = capable } });
            DmaAttributes attributes = new() { Pasid = new(0xABCDE), Execute = true, Privileged = true };
            Assert.Equal(FaultReason.PasidInLegacyMode, world.Unit.Explain(RemappingWorld.Device, new(Address), false, attributes).Fault);
            Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(Address), new byte[1], attributes));
            Assert.Equal(new(RemappingWorld.Device, FaultReason.PasidInLegacyMode, new(Address), false, attributes), world.TakeFault().Fault);

            // What the unit has no capability for is reserved in the record.
            FaultRecord record = world.Record(0);
            Assert.Equal((capable, capable, capable), (record.PasidPresent, record.Execute, record.Privileged));
            Assert.Equal(new(capable ? 0xABCDEu : 0), record.Pasid);
            Assert.Equal(TranslationStatus.UnsupportedRequest, world.Port.RequestTranslation(new(Address), true, attributes).Status);
            Assert.Equal(FaultReason.PasidInLegacyMode, world.TakeFault().Fault.Reason);
            Assert.Equal(AddressType.Translation, world.Record(1).AddressType);
        }
    }

    [Fact]
    public void An_atomic_operation_needs_both_rights_and_has_a_type_of_its_own()
    {
        DmaAttributes atomic = new() { Atomic = true };
        foreach ((bool read, bool write) in ((bool, bool)[])[(true, true), (true, false), (false, true), (false, false)])
        {
            using RemappingWorld world = Mapped();
            world.Put(Place(world, 1), RemappingWorld.Page(Target, read, write).Raw.Value);
            FaultReason expected = !write ? FaultReason.WriteNotPermitted : !read ? FaultReason.ReadNotPermitted : FaultReason.None;
            Assert.Equal(expected, world.Unit.Explain(RemappingWorld.Device, new(Address), true, atomic).Fault);

            // What an ordinary request left in caches grants an atomic one no more than the tables do.
            _ = world.Port.TryTranslate(new(Address), write, out _);
            world.Faults.Clear();
            Drain(world);
            Assert.Equal(expected == FaultReason.None ? DmaStatus.Success : DmaStatus.Blocked, world.Port.Write(new(Address), new byte[8], atomic));
            if (expected == FaultReason.None)
                continue;
            Assert.Equal(expected, world.TakeFault().Fault.Reason);
            FaultRecord record = world.Record(world.FaultStatus.FaultRecordIndex);
            Assert.Equal((true, true, expected), (record.Type1, record.Type2, record.Reason));
        }
    }

    [Fact]
    public void A_zero_length_read_passes_with_any_right_where_the_unit_says_so()
    {
        foreach (bool capable in (bool[])[false, true])
        {
            HardwareProfile friendly = HardwareProfile.Named("friendly");
            using RemappingWorld world = Mapped(friendly with { Capabilities = friendly.Capabilities with { ZeroLengthRead = capable } });
            world.Put(Place(world, 1), RemappingWorld.Page(Target, read: false).Raw.Value);
            Assert.Equal(capable ? DmaStatus.Success : DmaStatus.Blocked, world.Port.Read(new(Address), []));
            Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(Address), new byte[1]));
            world.Put(Place(world, 1), 0);
            world.InvalidateIotlb(IotlbGranularity.Global);
            Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(Address), []));
        }
    }

    [Fact]
    public void A_transaction_stops_at_the_first_page_that_is_refused()
    {
        using RemappingWorld world = Mapped();
        Assert.Equal(DmaStatus.Blocked, world.Port.Write(new(Address + 4094), [1, 2, 3, 4]));
        Assert.Equal(new Iova(Address + 4096), world.TakeFault().Fault.Address);
        Assert.True(world.Memory.TryRead(new PhysicalAddress(Target + 4094), out uint bytes));
        Assert.Equal(0x0201u, bytes);
    }

    [Fact]
    public void A_translation_request_is_answered_without_faults_that_software_can_repair()
    {
        using RemappingWorld world = Mapped();
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top) with { TranslationType = TranslationType.WithDeviceTlb });
        world.Map(top, AddressWidth.Bits57, Address, RemappingWorld.Page(Target, write: false));
        TranslationCompletion found = world.Port.RequestTranslation(new(Address + 8), true);
        Assert.Equal(new(TranslationStatus.Success, new(Target), 4096, true, false, false), found);
        Assert.Equal(new(TranslationStatus.Success, default, 4096, false, false, false), world.Port.RequestTranslation(new(Address + 4096), false));
        Assert.Equal(new(TranslationStatus.Success, default, 4096, false, true, true), world.Port.RequestTranslation(new(InterruptRange.First), false));
        Assert.Empty(world.Faults);
        world.Put(top, 1ul << 62 | 1);
        Assert.Equal(TranslationStatus.CompleterAbort, world.Port.RequestTranslation(new(0x1000), false).Status);
        Assert.Equal(FaultReason.SecondStageReserved, world.TakeFault().Fault.Reason);
    }

    [Fact]
    public void The_transcript_of_a_walk_tells_every_entry_and_ends_as_the_request_does()
    {
        using RemappingWorld world = Mapped();
        WalkTranscript told = world.Unit.Explain(RemappingWorld.Device, new(Address + 5), false);
        Assert.True(told.Passes);
        Assert.Equal(new PhysicalAddress(Target + 5), told.Target);
        Assert.Equal(
            [WalkStructure.Request, WalkStructure.Root, WalkStructure.Context, .. Enumerable.Repeat(WalkStructure.SecondStage, 5)],
            told.Steps.Select(step => step.Structure));
        Assert.Equal([5, 4, 3, 2, 1], told.Steps.Skip(3).Select(step => step.Level));
        Assert.All(told.Steps.SelectMany(step => step.Checks), check => Assert.True(check.Passed));
        Assert.Equal(0ul, world.Unit.Statistics.Translations);

        world.Put(Place(world, 1), 1ul << 62 | 3);
        told = world.Unit.Explain(RemappingWorld.Device, new(Address), false);
        Assert.Equal(FaultReason.SecondStageReserved, told.Fault);
        Assert.Equal(new(WalkCheckKind.ReservedBits, told.Steps[^1].Checks[^1].Mask, false), told.Steps[^1].Checks[^1]);
        Assert.Empty(world.Faults);
    }
}
