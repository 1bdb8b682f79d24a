using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Every fault reason of interrupt requests is reached, by the path that the reference sheet, sections 6.2 and 7, names, and recorded with its index.</summary>
public sealed class InterruptFaultTests
{
    private const ulong Nowhere = 1ul << 36;
    private const int Index = 0x8123;

    [Fact]
    public void A_request_becomes_what_its_entry_says()
    {
        using InterruptWorld world = new("friendly");
        world.Put(Index, InterruptWorld.Entry(0x61, destination: 7).Raw);
        Assert.Equal(DmaStatus.Success, world.Send(Index));
        Assert.Equal(new(0xFEE0_7000, 0x4061), world.TakeMessage());
        Assert.Equal(1ul, world.Remapping.Unit.Statistics.Interrupts);
        Assert.Equal(new(1, 0, 0, 0, 0, 1), world.Statistics);
    }

    [Theory]
    [InlineData(1u << 16)]
    [InlineData(1u << 31)]
    public void Reason_20_the_data_of_a_request_with_a_subhandle_have_a_reserved_bit(uint reserved)
    {
        using InterruptWorld world = new("friendly");
        world.Put(Index, InterruptWorld.Entry(0x61).Raw);
        Refused(world, FaultReason.InterruptRequestReserved, () => world.Send(Index - 5, subhandle: 5, dataAbove: reserved), index: 0);

        // Without a subhandle the data mean nothing.
        Assert.Equal(DmaStatus.Success, world.SendRaw(Address(Index), 0xFFFF_FFFF));
        Assert.Equal(0x61, world.TakeMessage().Vector);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(14)]
    public void Reason_21_the_index_is_beyond_the_table(int sizeCode)
    {
        using InterruptWorld world = new("friendly", sizeCode);
        int entries = 2 << sizeCode;
        world.Put(entries - 1, InterruptWorld.Entry(0x61).Raw);
        Assert.Equal(DmaStatus.Success, world.Send(entries - 1));
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(entries), entries);
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(entries - 1, subhandle: 1), entries);
    }

    [Fact]
    public void Reason_21_an_index_of_more_than_16_bits_does_not_wrap_into_the_largest_table()
    {
        using InterruptWorld world = new("friendly");
        world.Put(0, InterruptWorld.Entry(0x61).Raw);
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(0xFFFF, subhandle: 1), 0);
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(0xFFFF, subhandle: 0xFFFF), 0xFFFE);
    }

    [Fact]
    public void Reason_21_the_entry_is_beyond_the_addresses_of_the_host()
    {
        using InterruptWorld world = new("friendly");
        world.SetTable(15, extended: false, at: 1ul << 46);
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(Index));
    }

    [Fact]
    public void Reason_22_the_entry_is_not_present()
    {
        using InterruptWorld world = new("friendly");
        Refused(world, FaultReason.InterruptEntryNotPresent, () => world.Send(Index));
        world.Put(Index, new InterruptRemappingEntry { FaultProcessingDisable = true }.Raw);
        Refused(world, FaultReason.InterruptEntryNotPresent, () => world.Send(Index), disposition: FaultDisposition.Suppressed);
    }

    [Fact]
    public void Reason_23_the_entry_cannot_be_read()
    {
        using InterruptWorld world = new("friendly");
        world.SetTable(15, extended: false, at: Nowhere);
        Refused(world, FaultReason.InterruptEntryAccess, () => world.Send(Index));
    }

    [Fact]
    public void Reason_24_every_reserved_bit_of_every_form_in_every_mode()
    {
        // Transcribed from section 7.2; 63:48 and 39:32 are part of an x2APIC id.
        Check("friendly", extended: true, InterruptWorld.Entry(0x61).Raw, "14:12 31:24 127:84");
        Check("friendly", extended: false, InterruptWorld.Entry(0x61).Raw, "14:12 31:24 39:32 63:48 127:84");
        Check("friendly", extended: false, InterruptWorld.Posted(0x61, 0).Raw, "7:2 13:12 37:24 95:84");

        static void Check(string profile, bool extended, Bits128 entry, string reserved)
        {
            for (int bit = 2; bit < 128; bit++)
            {
                // The form, the delivery mode and the requester have tests of their own; a descriptor elsewhere is not there.
                if (bit is 15 or (>= 80 and <= 83) || (!entry.Bit(15) && bit is >= 5 and <= 7) || (entry.Bit(15) && bit is (>= 38 and <= 63) or (>= 96 and <= 127)))
                    continue;
                using InterruptWorld world = new(profile, extended: extended);
                world.Put(Index, entry.With(bit, !entry.Bit(bit)));
                if (IsIn(reserved, bit))
                    Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(Index));
                else
                    Assert.True(world.Send(Index) == DmaStatus.Success, $"bit {bit}");
            }
        }
    }

    [Fact]
    public void Reason_24_a_delivery_that_there_is_not()
    {
        foreach (int mode in (int[])[3, 6])
            Invalid(InterruptWorld.Entry(0x61) with { DeliveryMode = (InterruptDeliveryMode)mode });
        Invalid(InterruptWorld.Entry(0x61) with { DeliveryMode = InterruptDeliveryMode.LowestPriority });
        using InterruptWorld world = new("friendly");
        world.Put(Index, (InterruptWorld.Entry(0x61) with { DeliveryMode = InterruptDeliveryMode.LowestPriority, RedirectionHint = true }).Raw);
        Assert.Equal(DmaStatus.Success, world.Send(Index));
        Assert.Equal(new(0xFEE0_0008, 0x4161), world.TakeMessage());

        static void Invalid(RemappedInterrupt entry)
        {
            using InterruptWorld world = new("friendly");
            world.Put(Index, entry.Raw);
            Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(Index));
            world.Put(Index, entry.Raw.With(1, true));
            Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(Index), disposition: FaultDisposition.Suppressed);
        }
    }

    [Fact]
    public void Reason_24_posting_where_the_unit_does_not_post_and_a_reserved_way_to_check_the_requester()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        using InterruptWorld plain = new(friendly with { Capabilities = friendly.Capabilities with { PostedInterrupts = false } });
        plain.Put(Index, InterruptWorld.Posted(0x61, 0).Raw);
        Refused(plain, FaultReason.InterruptEntryInvalid, () => plain.Send(Index));

        using InterruptWorld world = new(friendly);
        world.Put(Index, InterruptWorld.Entry(0x61).Raw.With(83, 82, 3));
        Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(Index));
    }

    [Fact]
    public void Reason_25_a_request_in_compatibility_format()
    {
        using InterruptWorld world = new("friendly");
        Refused(world, FaultReason.CompatibilityInterruptBlocked, () => world.SendRaw(0xFEE0_300C, 0x41), index: 0);
        world.AllowCompatible(true);
        Assert.True(world.Remapping.GlobalStatus.CompatibilityFormatInterrupts);
        Assert.Equal(DmaStatus.Success, world.SendRaw(0xFEE0_300C, 0x41));
        Assert.Equal(new(0xFEE0_300C, 0x41), world.TakeMessage());

        // Where destinations are x2APIC ids, never.
        world.SetTable(15, extended: true);
        Refused(world, FaultReason.CompatibilityInterruptBlocked, () => world.SendRaw(0xFEE0_300C, 0x41), index: 0);
        Assert.Equal(1ul, world.Statistics.Compatible);
    }

    [Theory]
    [InlineData(0, "00:04.0 00:04.1 00:04.4 00:04.7 00:05.0 01:04.0", "00:04.0")]
    [InlineData(1, "00:04.0 00:04.1 00:04.4 00:04.5 00:05.0 01:04.0", "00:04.0 00:04.4")]
    [InlineData(2, "00:04.0 00:04.1 00:04.2 00:04.4 00:04.6 00:05.0 01:04.0", "00:04.0 00:04.2 00:04.4 00:04.6")]
    [InlineData(3, "00:04.0 00:04.1 00:04.7 00:05.0 01:04.0", "00:04.0 00:04.1 00:04.7")]
    public void Reason_26_the_requester_is_another_one(int qualifier, string sources, string accepted)
    {
        using InterruptWorld world = new("friendly");
        InterruptRemappingEntry common = new()
        {
            Present = true,
            Vector = 0x61,
            Source = new(0, 4, 0),
            SourceQualifier = (SourceIdQualifier)qualifier,
            SourceValidation = SourceValidationType.Requester,
        };
        Only(world, common, sources, accepted);
        world.Put(Index, (common with { FaultProcessingDisable = true }).Raw);
        world.InvalidateAll();
        Refused(world, FaultReason.InterruptSourceInvalid, () => world.Send(Index, new(9, 0, 0)), disposition: FaultDisposition.Suppressed, source: new(9, 0, 0));
    }

    [Theory]
    [InlineData(0x0305, "02:1f.7 03:00.0 04:02.1 05:1f.7 06:00.0", "03:00.0 04:02.1 05:1f.7")]
    [InlineData(0x0303, "02:00.0 03:01.0 04:00.0", "03:01.0")]
    [InlineData(0x0503, "03:00.0 04:00.0 05:00.0", "")] // the first bus is in the high byte
    public void Reason_26_the_bus_of_the_requester_is_not_in_the_range(int range, string sources, string accepted)
    {
        using InterruptWorld world = new("friendly");
        Only(world, new() { Present = true, Vector = 0x61, Source = new((ushort)range), SourceValidation = SourceValidationType.BusRange }, sources, accepted);
    }

    [Theory]
    [InlineData(InterruptWorld.MemoryBytes)]
    [InlineData(Nowhere)]
    [InlineData(1ul << 46)]
    public void Reason_27_the_descriptor_cannot_be_read(ulong at)
    {
        using InterruptWorld world = new("friendly");
        world.Put(Index, (InterruptWorld.Posted(0x61, 0) with { Descriptor = new(at) }).Raw);
        Refused(world, FaultReason.PostedDescriptorAccess, () => world.Send(Index));
        world.Put(Index, (InterruptWorld.Posted(0x61, 0) with { Descriptor = new(at) }).Raw.With(1, true));
        world.InvalidateAll();
        Refused(world, FaultReason.PostedDescriptorAccess, () => world.Send(Index), disposition: FaultDisposition.Suppressed);
    }

    [Fact]
    public void Reason_28_every_reserved_bit_of_a_descriptor_and_nothing_changes()
    {
        for (int bit = 256; bit < 512; bit++)
        {
            bool reserved = IsIn("271:258 287:280 511:320", bit);
            using InterruptWorld world = new("friendly");
            Bits512 descriptor = default(Bits512).With(bit, true);
            world.PutDescriptor(2, new(descriptor));
            world.Put(Index, InterruptWorld.Posted(0x61, 2).Raw.With(1, reserved && bit % 2 == 0));
            if (!reserved)
            {
                Assert.Equal(DmaStatus.Success, world.Send(Index));
                continue;
            }

            Refused(world, FaultReason.PostedDescriptorReserved, () => world.Send(Index), disposition: bit % 2 == 0 ? FaultDisposition.Suppressed : FaultDisposition.Recorded);
            Assert.Equal(descriptor, world.Descriptor(2).Raw);
        }
    }

    [Fact]
    public void Reason_29_what_is_no_interrupt_request_whether_or_not_requests_are_translated()
    {
        using InterruptWorld world = new("friendly");
        world.Put(0, InterruptWorld.Entry(0x61).Raw);
        ulong address = Address(0);
        RemappedPort port = world.Remapping.Port;
        foreach (Func<DmaStatus> request in (Func<DmaStatus>[])
        [
            () => port.Read(new(address), new byte[4]),
            () => port.Write(new(address), new byte[1]),
            () => port.Write(new(address), new byte[8]),
            () => port.Write(new(address + 2), new byte[4]),
            () => port.Write(new(address), []),
        ])
        {
            Assert.Equal(DmaStatus.Blocked, request());
            Assert.Equal(FaultReason.InterruptRangeRequest, world.Remapping.TakeFault().Fault.Reason);
        }

        Assert.Empty(world.Messages);
    }

    [Fact]
    public void The_order_of_checks_is_that_of_the_sheet()
    {
        SourceId other = new(9, 0, 0);
        using InterruptWorld world = new("friendly", sizeCode: 3);

        // Reserved data before the index; the index before the entry.
        Refused(world, FaultReason.InterruptRequestReserved, () => world.Send(0xFFFF, subhandle: 0xFFFF, dataAbove: 1 << 20), index: 0);
        world.SetTable(3, extended: false, at: Nowhere);
        Refused(world, FaultReason.InterruptIndexBeyondTable, () => world.Send(16), 16);
        world.SetTable(3, extended: false);

        // Presence before everything else in the entry; reserved bits before the requester; the requester before the descriptor.
        InterruptRemappingEntry strict = new() { Present = true, Source = InterruptWorld.Device, SourceValidation = SourceValidationType.Requester };
        world.Put(3, strict.Raw.With(0, false).With(14, 12, 7));
        Refused(world, FaultReason.InterruptEntryNotPresent, () => world.Send(3, other), 3, source: other);
        world.Put(3, strict.Raw.With(14, 12, 7));
        Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(3, other), 3, source: other);
        world.Put(3, (new PostedInterrupt { Common = strict with { IsPosted = true } } with { Descriptor = new(Nowhere) }).Raw);
        Refused(world, FaultReason.InterruptSourceInvalid, () => world.Send(3, other), 3, source: other);
    }

    [Theory]
    [InlineData(InterruptCheckOrder.EntryFirst, FaultReason.InterruptEntryInvalid)]
    [InlineData(InterruptCheckOrder.SourceFirst, FaultReason.InterruptSourceInvalid)]
    public void Which_of_requester_and_programming_comes_first_is_the_choice_of_the_profile(InterruptCheckOrder order, FaultReason expected)
    {
        using InterruptWorld world = new(HardwareProfile.Named("friendly") with { InterruptCheckOrder = order });
        RemappedInterrupt entry = new()
        {
            Common = new() { Present = true, Source = new(9, 0, 0), SourceValidation = SourceValidationType.Requester },
            DeliveryMode = (InterruptDeliveryMode)3,
        };
        world.Put(Index, entry.Raw);
        Refused(world, expected, () => world.Send(Index));
        Refused(world, FaultReason.InterruptEntryInvalid, () => world.Send(Index, new(9, 0, 0)), source: new(9, 0, 0));
    }

    private static void Only(InterruptWorld world, InterruptRemappingEntry entry, string sources, string accepted)
    {
        world.Put(Index, entry.Raw);
        foreach (string name in sources.Split(' '))
        {
            SourceId source = Parse(name);
            if (accepted.Split(' ').Contains(name))
                Assert.True(world.Send(Index, source) == DmaStatus.Success, name);
            else
                Refused(world, FaultReason.InterruptSourceInvalid, () => world.Send(Index, source), source: source);
        }
    }

    // The request is blocked, nothing is delivered, and the record says who asked for which index, and why not.
    private static void Refused(
        InterruptWorld world, FaultReason reason, Func<DmaStatus> send, int index = Index, FaultDisposition disposition = FaultDisposition.Recorded, SourceId? source = null)
    {
        SourceId sender = source ?? InterruptWorld.Device;
        world.Messages.Clear();
        Assert.Equal(DmaStatus.Blocked, send());
        Assert.Empty(world.Messages);
        (RemappingFault fault, FaultDisposition found) = world.Remapping.TakeFault();
        Assert.Equal((sender, reason, (ushort?)index, true, disposition), (fault.Source, fault.Reason, fault.InterruptIndex, fault.Write, found));
        Assert.Equal(disposition == FaultDisposition.Recorded, world.Remapping.FaultStatus.PrimaryPendingFault);
        if (disposition != FaultDisposition.Recorded)
            return;
        int number = world.Remapping.FaultStatus.FaultRecordIndex;
        FaultRecord record = world.Remapping.Record(number);
        Assert.Equal(new FaultRecord { Fault = true, Reason = reason, Source = sender, InterruptIndex = (ushort)index }, record);
        world.Remapping.Write(RegisterOffsets.FaultRecord(world.Remapping.Profile.Capabilities, number) + 8, 1ul << 63);
    }

    private static ulong Address(int handle) =>
        (new InterruptRequestAddress(new(InterruptRange.First)) with { IsRemappable = true, Handle = handle }).Raw.Value;

    private static SourceId Parse(string text) => new(
        Convert.ToInt32(text[..2], 16), Convert.ToInt32(text[3..5], 16), text[6] - '0');

    private static bool IsIn(string ranges, int bit) => ranges.Split(' ').Any(range =>
        range.Split(':') is [string high, string low] && bit <= int.Parse(high) && bit >= int.Parse(low));
}
