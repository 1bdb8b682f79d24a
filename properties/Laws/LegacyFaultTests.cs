using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using static Dma.Properties.LegacyFaults;

namespace Dma.Properties;

/// <summary>Every fault reason of legacy mode is reached, and by the path that the reference sheet, section 6.1, names.</summary>
public sealed class LegacyFaultTests
{
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
}
