using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Every fault reason of legacy mode is reached, and by the path that the reference sheet, section 6.1, names.</summary>
public sealed class LegacyFaultTests
{
    private const ulong Address = 0x20_0000_0000;
    private const ulong Target = 0x20_0000;
    private const ulong Nowhere = 1ul << 36;

    [Fact]
    public void A_mapped_page_is_read_and_written()
    {
        using RemappingWorld world = Mapped();
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(Address + 8), [1, 2, 3]));
        byte[] back = new byte[3];
        Assert.Equal(DmaStatus.Success, world.Port.Read(new(Address + 8), back));
        Assert.Equal([1, 2, 3], back);
        Assert.True(world.Memory.TryRead(new PhysicalAddress(Target + 8), out byte first));
        Assert.Equal(1, first);
        Assert.Empty(world.Faults);
    }

    [Fact]
    public void Reason_1_the_root_entry_is_not_present()
    {
        using RemappingWorld world = Mapped();
        world.PutRoot(RemappingWorld.Device, new(0xFFFF_F000, 0));
        Refused(world, FaultReason.RootNotPresent);
    }

    [Fact]
    public void Reason_2_the_context_entry_is_not_present()
    {
        using RemappingWorld world = Mapped();
        world.PutContext(RemappingWorld.Device, default);
        Refused(world, FaultReason.ContextNotPresent);
        world.PutContext(RemappingWorld.Device, new() { FaultProcessingDisable = true });
        Refused(world, FaultReason.ContextNotPresent, FaultDisposition.Suppressed);
    }

    [Theory]
    [InlineData("minimal", AddressWidth.Bits48, TranslationType.UntranslatedOnly)] // a width that is not in SAGAW
    [InlineData("friendly", (AddressWidth)0, TranslationType.UntranslatedOnly)]
    [InlineData("friendly", (AddressWidth)4, TranslationType.UntranslatedOnly)]
    [InlineData("friendly", AddressWidth.Bits57, TranslationType.Reserved)]
    [InlineData("minimal", AddressWidth.Bits39, TranslationType.WithDeviceTlb)] // no ECAP.DT
    [InlineData("minimal", AddressWidth.Bits39, TranslationType.PassThrough)] // no ECAP.PT
    [InlineData("friendly", AddressWidth.Bits48, TranslationType.PassThrough)] // not the largest
    public void Reason_3_the_context_entry_asks_for_what_is_not_there(string profile, AddressWidth width, TranslationType type)
    {
        using RemappingWorld world = Mapped(profile);
        world.PutContext(RemappingWorld.Device, world.Context(world.Frame()) with { AddressWidth = width, TranslationType = type });
        Refused(world, FaultReason.ContextInvalid);
    }

    [Fact]
    public void Reason_3_the_top_table_cannot_be_read()
    {
        using RemappingWorld world = Mapped();
        world.PutContext(RemappingWorld.Device, world.Context(new(Nowhere)));
        Refused(world, FaultReason.ContextInvalid);
    }

    [Fact]
    public void Reason_4_the_address_is_wider_than_the_tables()
    {
        foreach (AddressWidth width in (AddressWidth[])[AddressWidth.Bits39, AddressWidth.Bits48, AddressWidth.Bits57])
        {
            using RemappingWorld world = Mapped();
            ulong end = 1ul << (30 + (9 * (int)width));
            PhysicalAddress table = world.Frame();
            world.PutContext(RemappingWorld.Device, world.Context(table) with { AddressWidth = width });
            world.Map(table, width, end - 4096, RemappingWorld.Page(Target));
            Assert.Equal(DmaStatus.Success, world.Port.Read(new(end - 1), new byte[1]));
            Refused(world, FaultReason.AddressBeyondWidth, at: end);
            Refused(world, FaultReason.AddressBeyondWidth, at: ulong.MaxValue);
        }
    }

    [Fact]
    public void Reason_4_the_address_is_wider_than_the_unit()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        using RemappingWorld world = Mapped(friendly with { Capabilities = friendly.Capabilities with { MaximumWidthCode = 41 } });
        Refused(world, FaultReason.AddressBeyondWidth, at: 1ul << 42);
        Refused(world, FaultReason.ReadNotPermitted, at: (1ul << 42) - 1);
    }

    [Fact]
    public void Reason_4_an_untranslated_address_is_wider_than_the_host()
    {
        using RemappingWorld world = Mapped();
        ulong end = 1ul << world.Profile.HostAddressWidth;
        world.PutContext(RemappingWorld.Device, world.Context(default) with { TranslationType = TranslationType.PassThrough });
        Assert.Equal(DmaStatus.Unclaimed, world.Port.Read(new(end - 1), new byte[1]));
        Refused(world, FaultReason.AddressBeyondWidth, at: end);
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(Target), [7]));
    }

    [Fact]
    public void Reason_4_a_translated_address_is_wider_than_the_host()
    {
        using RemappingWorld world = Mapped();
        world.PutContext(RemappingWorld.Device, world.Context(world.Frame()) with { TranslationType = TranslationType.WithDeviceTlb });
        DmaAttributes translated = new(AddressType.Translated);
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(Target), [7], translated));
        Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(1ul << world.Profile.HostAddressWidth), new byte[1], translated));
        Assert.Equal(FaultReason.AddressBeyondWidth, world.Record(0).Reason);
        Assert.Equal(AddressType.Translated, world.Record(0).AddressType);
    }

    [Theory]
    [InlineData(RightsOrder.AfterTheWalk)]
    [InlineData(RightsOrder.AtEachLevel)]
    public void Reasons_5_and_6_an_entry_of_any_level_does_not_permit_the_access(RightsOrder order)
    {
        for (int level = 1; level <= 5; level++)
        {
            using RemappingWorld world = Mapped(HardwareProfile.Named("friendly") with { RightsOrder = order });
            foreach ((bool read, bool write) in ((bool, bool)[])[(true, false), (false, true), (false, false)])
            {
                PhysicalAddress place = Place(world, level);
                Assert.True(world.Memory.TryRead(place, out ulong raw));
                world.Put(place, (new SecondStageEntry(new(raw)) with { Read = read, Write = write }).Raw.Value);
                Check(world, FaultReason.ReadNotPermitted, read, false);
                Check(world, FaultReason.WriteNotPermitted, write, true);
                world.Put(place, raw);
            }
        }
    }

    [Fact]
    public void Reason_7_a_lower_table_cannot_be_read()
    {
        for (int level = 2; level <= 5; level++)
        {
            using RemappingWorld world = Mapped();
            world.Put(Place(world, level), RemappingWorld.Page(Nowhere).Raw.Value);
            Refused(world, FaultReason.SecondStageAccess);
        }
    }

    [Fact]
    public void Reason_8_the_root_table_cannot_be_read()
    {
        using RemappingWorld world = Mapped();
        world.Write(RegisterOffsets.RootTableAddress, Nowhere);
        world.Command(new() { SetRootTablePointer = true, TranslationEnable = true, QueuedInvalidationEnable = true });
        Refused(world, FaultReason.RootAccess);
    }

    [Fact]
    public void Reason_9_the_context_table_cannot_be_read()
    {
        using RemappingWorld world = Mapped();
        world.PutRoot(RemappingWorld.Device, new RootEntry { Present = true, ContextTable = new(Nowhere) }.Raw);
        Refused(world, FaultReason.ContextAccess);
    }

    [Fact]
    public void Reason_A_a_reserved_bit_of_the_root_entry_is_set()
    {
        using RemappingWorld world = Mapped();
        for (int bit = 1; bit < 128; bit++)
        {
            if (bit >= 12 && bit < world.Profile.HostAddressWidth)
                continue;
            Bits128 root = new RootEntry { Present = true, ContextTable = world.Frame() }.Raw.With(bit, true);
            world.PutRoot(RemappingWorld.Device, root);
            Refused(world, FaultReason.RootReserved);
        }
    }

    [Fact]
    public void Reason_B_a_reserved_bit_of_the_context_entry_is_set()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        using RemappingWorld world = Mapped(friendly with { Capabilities = friendly.Capabilities with { DomainsCode = 2 } });
        int host = world.Profile.HostAddressWidth;
        int[] reserved = [.. Enumerable.Range(4, 8), .. Enumerable.Range(host, 64 - host), 71, .. Enumerable.Range(80, 48)];
        foreach (int bit in reserved)
        {
            Bits128 entry = world.Context(new(Target)).Raw.With(bit, true);
            world.PutContext(RemappingWorld.Device, new(entry));
            Refused(world, FaultReason.ContextReserved);
            world.PutContext(RemappingWorld.Device, new(entry.With(1, true)));
            Refused(world, FaultReason.ContextReserved, FaultDisposition.Suppressed);
        }
    }

    [Fact]
    public void Pass_through_ignores_the_table_pointer_with_all_its_bits()
    {
        using RemappingWorld world = Mapped();
        ContextEntry entry = world.Context(default) with { TranslationType = TranslationType.PassThrough };
        world.PutContext(RemappingWorld.Device, new(entry.Raw | Bits128.Mask(63, 12)));
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(Target), [7]));
    }

    [Fact]
    public void Reason_C_a_reserved_bit_of_a_present_second_stage_entry_is_set()
    {
        foreach (string name in (string[])["friendly", "hostile"])
        {
            HardwareProfile profile = HardwareProfile.Named(name) with { IotlbSets = 0 };
            using RemappingWorld world = Mapped(profile);
            int top = (int)RemappingWorld.Widest(profile) + 2;
            for (int level = 1; level <= top; level++)
            {
                PhysicalAddress place = Place(world, level);
                Assert.True(world.Memory.TryRead(place, out ulong raw));
                for (int bit = 2; bit < 64; bit++)
                {
                    world.Put(place, new Bits64(raw).With(bit, true).Value);
                    if (IsReserved(profile, level, bit))
                        Refused(world, FaultReason.SecondStageReserved);
                    else
                        Assert.True(bit is >= 12 and < 52 || bit == 7 || world.Port.TryTranslate(new(Address), false, out _), $"{name}, level {level}, bit {bit}");
                    world.Faults.Clear();
                }

                // Where nothing is permitted, nothing is present, and no bit is reserved.
                world.Put(place, ~3ul);
                Refused(world, FaultReason.ReadNotPermitted);
                world.Put(place, raw);
            }
        }
    }

    [Theory]
    [InlineData(RightsOrder.AfterTheWalk, FaultReason.SecondStageReserved)]
    [InlineData(RightsOrder.AtEachLevel, FaultReason.WriteNotPermitted)]
    public void Which_of_rights_and_reserved_bits_comes_first_is_the_choice_of_the_profile(RightsOrder order, FaultReason reason)
    {
        using RemappingWorld world = Mapped(HardwareProfile.Named("friendly") with { RightsOrder = order });
        world.Put(Place(world, 1), RemappingWorld.Page(Target, write: false).Raw.With(62, true).Value);
        Assert.False(world.Port.TryTranslate(new(Address), true, out _));
        Assert.Equal(reason, world.TakeFault().Fault.Reason);
    }

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

    private static RemappingWorld Mapped(string profile = "friendly") => Mapped(HardwareProfile.Named(profile));

    private static RemappingWorld Mapped(HardwareProfile profile)
    {
        RemappingWorld world = new(profile);
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        world.Map(top, RemappingWorld.Widest(profile), Address, RemappingWorld.Page(Target));
        return world.Enable();
    }

    private static PhysicalAddress Place(RemappingWorld world, int level)
    {
        Assert.True(world.Memory.TryRead(world.ContextPlace(RemappingWorld.Device), out Bits128 raw));
        ContextEntry context = new(raw);
        return world.EntryPlace(context.SecondStageTable, context.AddressWidth, Address, level);
    }

    // Transcribed from the table of section 2.2; the two profiles differ in host width, SNP and superpages.
    private static bool IsReserved(HardwareProfile profile, int level, int bit) => bit switch
    {
        7 => level >= 4 || (level == 3 && !profile.Capabilities.SecondStage1G) || (level == 2 && !profile.Capabilities.SecondStage2M),
        11 => level > 1 || !profile.ExtendedCapabilities.SnoopControl,
        62 => true,
        _ => bit < 52 && bit >= profile.HostAddressWidth,
    };

    private static void Check(RemappingWorld world, FaultReason reason, bool passes, bool write)
    {
        world.InvalidateIotlb(IotlbGranularity.Global);
        Assert.Equal(passes, world.Port.TryTranslate(new(Address), write, out PhysicalAddress target));
        if (passes)
            Assert.Equal(new PhysicalAddress(Target), target);
        else
            Assert.Equal(reason, world.TakeFault().Fault.Reason);
        Assert.Equal(reason, passes ? reason : world.Unit.Explain(RemappingWorld.Device, new(Address), write).Fault);
        world.Faults.Clear();
    }

    private static void Refused(RemappingWorld world, FaultReason reason, FaultDisposition disposition = FaultDisposition.Recorded, ulong at = Address)
    {
        world.InvalidateContext(ContextGranularity.Global);
        world.InvalidateIotlb(IotlbGranularity.Global);
        Drain(world);
        WalkTranscript told = world.Unit.Explain(RemappingWorld.Device, new(at), false);
        Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(at), new byte[1]));
        (RemappingFault fault, FaultDisposition became) = world.TakeFault();
        Assert.Equal(new(RemappingWorld.Device, reason, new(at), false, default), fault);
        Assert.Equal(disposition, became);
        Assert.Equal(reason, told.Fault);
        Assert.Equal(disposition == FaultDisposition.Recorded, told.Reported);
        if (disposition != FaultDisposition.Recorded)
            return;
        FaultRecord record = world.Record(world.FaultStatus.FaultRecordIndex);
        Assert.True(record.Fault);
        Assert.True(record.Type1);
        Assert.Equal(reason, record.Reason);
        Assert.Equal(RemappingWorld.Device, record.Source);
        Assert.Equal(new Iova(at & ~0xFFFul), record.Address);
    }

    private static void Drain(RemappingWorld world)
    {
        for (int index = 0; index <= world.Profile.Capabilities.FaultRecordsCode; index++)
            world.Write(RegisterOffsets.FaultRecord(world.Profile.Capabilities, index) + 8, 1ul << 63);
        world.Write(RegisterOffsets.FaultStatus, 1, 4);
    }
}
