using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a unit does not report it does not have, whichever of its other capabilities it reports.</summary>
public sealed class AbsentCapabilityTests
{
    private const ulong Pages = 0xFFFF_FFFF_FFFF_F000;

    /// <summary>Units with any subset of the capabilities; numbers and widths are those of a named profile.</summary>
    private static Gen<HardwareProfile> Subsets =>
        from name in Gen.Elements("friendly-scalable", "hostile-scalable", "minimal")
        from version in Gen.Choose(1, 7)
        from capabilities in Generate.Any64
        from extended in Generate.Any64
        select Subset(HardwareProfile.Named(name), version, capabilities, extended);

    [Fact]
    public void A_register_takes_what_the_capabilities_of_its_unit_have_a_meaning_for() => Property.Check(
        Subsets,
        profile =>
        {
            using RemappingWorld world = new(profile, 1 << 20);
            Dictionary<int, ulong> writable = WritableDwords(profile);
            for (int offset = 0; offset < world.Unit.WindowLength; offset += 4)
            {
                // What a command leaves behind, and the pointer to the table of interrupts, have tests of their own.
                if (IsCommand(profile, offset))
                    continue;
                ulong before = world.Read(offset, 4);
                world.Write(offset, uint.MaxValue, 4);
                ulong fixedBits = before & ~writable.GetValueOrDefault(offset);
                Assert.True(
                    (fixedBits | writable.GetValueOrDefault(offset)) == world.Read(offset, 4),
                    $"{profile.Name} {offset:X}h: {world.Read(offset, 4):X}, writable should be {writable.GetValueOrDefault(offset):X}");
            }
        },
        60);

    [Fact]
    public void A_descriptor_that_needs_what_the_unit_does_not_have_stops_the_queue() => Property.Check(
        from profile in Subsets
        from wide in Gen.Elements(false, true)
        select (profile, wide),
        given =>
        {
            ExtendedCapabilityRegister has = given.profile.ExtendedCapabilities;
            HardwareProfile profile = given.profile with { ExtendedCapabilities = has with { QueuedInvalidation = true } };
            if (!has.ScalableMode)
                Expect(profile, false, InvalidationQueueError.InvalidType, 6, 7, 8);
            if (!has.DeviceTlb)
                Expect(profile, false, InvalidationQueueError.InvalidType, 3);
            if (!has.InterruptRemapping)
                Expect(profile, false, InvalidationQueueError.InvalidType, 4);
            if (!has.PageRequestDrain)
                Expect(profile, false, InvalidationQueueError.ReservedField, 0x85);
            if (!has.ScalableMode && !has.AbortDma)
                Expect(profile, true, InvalidationQueueError.InvalidWidth, 0x25);
        },
        60);

    [Fact]
    public void An_entry_of_legacy_mode_that_uses_what_the_unit_does_not_have_is_refused() => Property.Check(
        Subsets,
        profile =>
        {
            using RemappingWorld world = new(profile with { CollapsesFaults = false, IotlbSets = 0, ContextCacheSets = 0 });
            PhysicalAddress top = world.Frame();
            ContextEntry good = world.Context(top);
            _ = world.Enable();
            CapabilityRegister capabilities = profile.Capabilities;
            ExtendedCapabilityRegister extended = profile.ExtendedCapabilities;

            FaultReason OfContext(ContextEntry entry)
            {
                world.PutContext(RemappingWorld.Device, entry);
                Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
                return world.TakeFault().Fault.Reason;
            }

            FaultReason OfLeaf(int level, SecondStageEntry leaf)
            {
                world.PutContext(RemappingWorld.Device, good);
                PhysicalAddress place = world.Map(top, good.AddressWidth, 0x4000_0000, leaf, level);
                bool passes = world.Port.TryTranslate(new(0x4000_0000), false, out _);
                world.Put(place, 0);
                return passes ? FaultReason.None : world.TakeFault().Fault.Reason;
            }

            if (!extended.DeviceTlb)
                Assert.Equal(FaultReason.ContextInvalid, OfContext(good with { TranslationType = TranslationType.WithDeviceTlb }));
            if (!extended.PassThrough)
                Assert.Equal(FaultReason.ContextInvalid, OfContext(good with { TranslationType = TranslationType.PassThrough }));
            for (AddressWidth width = 0; (int)width < 8; width++)
            {
                if (!profile.Supports(width))
                    Assert.Equal(FaultReason.ContextInvalid, OfContext(good with { AddressWidth = width }));
            }

            if (capabilities.DomainsCode < 6)
                Assert.Equal(FaultReason.ContextReserved, OfContext(good with { DomainId = new((ushort)(16 << (2 * capabilities.DomainsCode))) }));

            // The largest pages first: they leave no table of smaller ones behind.
            SecondStageEntry page = RemappingWorld.Page(0);
            Assert.Equal(capabilities.SecondStage1G ? FaultReason.None : FaultReason.SecondStageReserved, OfLeaf(3, page with { PageSize = true }));
            Assert.Equal(capabilities.SecondStage2M ? FaultReason.None : FaultReason.SecondStageReserved, OfLeaf(2, page with { PageSize = true }));
            Assert.Equal(extended.SnoopControl ? FaultReason.None : FaultReason.SecondStageReserved, OfLeaf(1, page with { Snoop = true }));
        },
        60);

    [Fact]
    public void An_entry_of_scalable_mode_that_uses_what_the_unit_does_not_have_is_refused() => Property.Check(
        Subsets,
        subset =>
        {
            ExtendedCapabilityRegister has = subset.ExtendedCapabilities with { ScalableMode = true, QueuedInvalidation = true };
            using ScalableWorld world = new(subset with { ExtendedCapabilities = has });
            Pasid pasid = new(has.RidPasid ? 5u : 0);
            FaultReason Of(PasidTableEntry entry)
            {
                world.PutPasid(pasid, entry);
                if (world.World.Port.TryTranslate(new(0x1000), false, out _))
                    return FaultReason.None;
                FaultReason fault = world.World.TakeFault().Fault.Reason;

                // Without SMPWCS walks cannot mark entries: the entry itself is served.
                return fault is FaultReason.FirstStageUpdateNotSnooped or FaultReason.SecondStageUpdateNotSnooped ? FaultReason.None : fault;
            }

            PasidTableEntry first = world.Entry(PasidTranslationType.FirstStage);
            int levels = (int)RemappingWorld.Widest(subset) + 2;
            PasidTableEntry second = world.Entry(PasidTranslationType.SecondStage, secondLevels: levels);
            world.MapFirst(first, 0x1000, ScalableWorld.FirstPointer | 0x400_0000);
            world.MapSecond(second, 0x1000, ScalableWorld.SecondPointer | 0x400_0000);

            // The context may enable no more than the unit has.
            ScalableContextEntry plain = world.Context with { DeviceTlbEnabled = false, PasidEnabled = false };
            foreach ((ScalableContextEntry more, bool isThere) in ((ScalableContextEntry, bool)[])[
                (plain with { DeviceTlbEnabled = true }, has.DeviceTlb),
                (plain with { PasidEnabled = true }, has.ProcessAddressSpaces),
                (plain with { PageRequestsEnabled = true }, has.PageRequests)])
            {
                world.Context = more;
                Assert.Equal(isThere, Of(first) != FaultReason.ScalableContextInvalid);
            }

            world.Context = plain;

            // The good entries pass where their kind is there: what follows is about the one bit more.
            FaultReason firstIs = has.FirstStage ? FaultReason.None : FaultReason.PasidEntryInvalid;
            FaultReason secondIs = has.SecondStage ? FaultReason.None : FaultReason.PasidEntryInvalid;
            Assert.Equal(firstIs, Of(first));
            Assert.Equal(secondIs, Of(second));
            Assert.Equal(has.PassThrough, Of(world.Entry(PasidTranslationType.PassThrough)) == FaultReason.None);
            Assert.Equal(has.Nested, Of(world.Entry(PasidTranslationType.Nested, secondLevels: levels)) != FaultReason.PasidEntryInvalid);
            Assert.Equal(has.ExtendedAccessed ? firstIs : FaultReason.PasidEntryReserved, Of(first with { ExtendedAccessedEnabled = true }));
            Assert.Equal(has.SecondStageAccessedDirty ? secondIs : FaultReason.PasidEntryReserved, Of(second with { SecondStageAccessedDirty = true }));
            Assert.Equal(has.MemoryTypes ? firstIs : FaultReason.PasidEntryReserved, Of(first with { CacheDisabled = true }));
            if (!subset.Capabilities.FirstStage5Level)
                Assert.Equal(FaultReason.PasidEntryInvalid, Of(first with { PagingMode = FirstStagePagingMode.FiveLevel }));
            if (subset.Capabilities.DomainsCode < 6)
                Assert.Equal(FaultReason.PasidEntryReserved, Of(first with { DomainId = new((ushort)(16 << (2 * subset.Capabilities.DomainsCode))) }));
        },
        40);

    [Fact]
    public void A_mode_that_the_unit_does_not_have_is_a_fault_for_each_request() => Property.Check(
        Subsets,
        profile =>
        {
            ExtendedCapabilityRegister has = profile.ExtendedCapabilities with { QueuedInvalidation = true };
            foreach (TranslationTableMode mode in Enum.GetValues<TranslationTableMode>())
            {
                bool isThere = mode switch
                {
                    TranslationTableMode.Scalable => has.ScalableMode,
                    TranslationTableMode.Abort => has.AbortDma,
                    TranslationTableMode.Legacy => true,
                    _ => false,
                };
                if (!has.ScalableMode && !has.AbortDma)
                    continue;

                // Memory is empty: a mode that is there finds no root entry, or aborts without a word.
                using RemappingWorld world = new(profile with { ExtendedCapabilities = has });
                _ = world.Enable(mode);
                Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
                if (isThere && mode == TranslationTableMode.Abort)
                    Assert.Empty(world.Faults);
                else
                    Assert.Equal(!isThere, world.TakeFault().Fault.Reason == FaultReason.TranslationModeInvalid);
            }
        },
        40);

    private static void Expect(HardwareProfile profile, bool wide, InvalidationQueueError error, params ReadOnlySpan<int> firstWords)
    {
        foreach (int word in firstWords)
        {
            using RemappingWorld world = new(profile, 1 << 20);
            _ = world.Enable();
            if (wide)
                world.Write(RegisterOffsets.InvalidationQueueAddress, RemappingWorld.Queue | (1 << 11));
            world.Put(new(RemappingWorld.Queue), (ulong)word);
            world.Write(RegisterOffsets.InvalidationQueueTail, 32);
            Assert.True(world.FaultStatus.InvalidationQueueError, $"type {word:X}h");
            Assert.Equal(error, new InvalidationQueueErrorRecord(new(world.Read(RegisterOffsets.InvalidationQueueErrorRecord))).Error);
        }
    }

    private static HardwareProfile Subset(HardwareProfile profile, int version, ulong capabilities, ulong extended)
    {
        // What is a number is not drawn: ND, SAGAW, MGAW, NFR, MAMV; MHMV, PSS. Nor is caching mode, a duty of software.
        // FRO and IRO are where no register can be in their way.
        const ulong Numbers = 0x003F_FF03_FF3F_1F87;
        const ulong ExtendedNumbers = 0x0000_00F8_00F3_FF00;
        return profile with
        {
            Name = $"a subset of {profile.Name}",
            Version = new() { Major = version },
            Capabilities = new CapabilityRegister(new((profile.Capabilities.Raw.Value & Numbers) | (capabilities & ~Numbers)))
                with
            { FaultRecordOffset = 0xC0 },
            ExtendedCapabilities = new ExtendedCapabilityRegister(new((profile.ExtendedCapabilities.Raw.Value & ExtendedNumbers) | (extended & ~ExtendedNumbers)))
                with
            { IotlbRegisterOffset = 0x50 },
        };
    }

    private static bool IsCommand(HardwareProfile profile, int offset)
    {
        int iotlb = RegisterOffsets.IotlbInvalidate(profile.ExtendedCapabilities);
        bool byRegister = profile.Version.Major < 6;
        return offset == RegisterOffsets.EnhancedCommandResponse
            || (profile.ExtendedCapabilities.InterruptRemapping && offset is 0xB8 or 0xBC)
            || (byRegister && (offset == iotlb + 4 || offset == RegisterOffsets.ContextCommand + 4))
            || offset is RegisterOffsets.GlobalCommand or RegisterOffsets.ProtectedMemoryEnable or RegisterOffsets.GlobalStatus;
    }

    // The registers of the manual's table, by dword, each under the capability that it belongs to.
    private static Dictionary<int, ulong> WritableDwords(HardwareProfile profile)
    {
        CapabilityRegister capabilities = profile.Capabilities;
        ExtendedCapabilityRegister extended = profile.ExtendedCapabilities;
        Dictionary<int, ulong> writable = [];
        void Add(bool present, int offset, int width, ulong mask)
        {
            if (!present)
                return;
            writable[offset] = mask & uint.MaxValue;
            if (width == 8)
                writable[offset + 4] = mask >> 32;
        }

        void AddEvent(bool present, int offset)
        {
            Add(present, offset, 4, 0x8000_0000);
            Add(present, offset + 4, 4, 0xFFFF);
            Add(present, offset + 8, 4, 0xFFFF_FFFC);
            Add(present && extended.ExtendedInterruptMode, offset + 12, 4, 0xFFFF_FFFF);
        }

        ulong host = (1ul << profile.HostAddressWidth) - 1;
        Add(true, 0x20, 8, Pages | (extended.ScalableMode || extended.AbortDma ? 0xC00ul : 0));
        Add(profile.Version.Major < 6, 0x28, 4, 0xFFFF_FFFF);
        AddEvent(true, 0x38);
        Add(capabilities.ProtectedLowMemory, 0x68, 4, 0xFFE0_0000);
        Add(capabilities.ProtectedLowMemory, 0x6C, 4, 0xFFE0_0000);
        Add(capabilities.ProtectedHighMemory, 0x70, 8, host & ~0x1F_FFFFul);
        Add(capabilities.ProtectedHighMemory, 0x78, 8, host & ~0x1F_FFFFul);
        Add(extended.QueuedInvalidation, 0x88, 8, 0x7_FFF0);
        Add(extended.QueuedInvalidation, 0x90, 8, Pages | 0x807);
        AddEvent(extended.QueuedInvalidation, 0xA0);
        Add(extended.PageRequests, 0xC0, 8, 0x7_FFE0);
        Add(extended.PageRequests, 0xC8, 8, 0x7_FFE0);
        Add(extended.PageRequests, 0xD0, 8, Pages | 0x7);
        AddEvent(extended.PageRequests, 0xE0);
        Add(extended.MemoryTypes, 0x108, 8, 0xCFF);
        for (int offset = 0x120; offset <= 0x170; offset += 8)
            Add(extended.MemoryTypes, offset, 8, ulong.MaxValue);
        for (int offset = 0x180; offset <= 0x218; offset += 16)
        {
            Add(extended.MemoryTypes, offset, 8, (host & Pages) | 0xFF);
            Add(extended.MemoryTypes, offset + 8, 8, (host & Pages) | 0x800);
        }

        Add(capabilities.EnhancedCommands, 0x400, 8, ulong.MaxValue);
        Add(capabilities.EnhancedCommands, 0x408, 8, ulong.MaxValue);
        return writable;
    }
}
