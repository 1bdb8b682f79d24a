using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Which invalidation descriptors a unit takes (reference sheet, sections 4.1 to 4.3).</summary>
public sealed class DescriptorTests
{
    // A descriptor of each type that is carried out; bits that are reserved; codes that make it invalid by themselves.
    private static readonly (InvalidationDescriptorType Type, int Granularity, string Reserved)[] _table =
    [
        (InvalidationDescriptorType.ContextCache, 1, "8:6 15:12 63:50 255:64"),
        (InvalidationDescriptorType.Iotlb, 1, "8:8 15:12 63:32 75:71 255:128"),
        (InvalidationDescriptorType.DeviceTlb, 0, "8:4 31:21 51:48 75:65 255:128"),
        (InvalidationDescriptorType.InterruptEntryCache, 0, "8:5 26:12 63:48 255:64"),
        (InvalidationDescriptorType.Wait, 0, "8:8 31:12 65:64 255:128"),
        (InvalidationDescriptorType.PasidIotlb, 2, "8:6 15:12 63:52 75:71 255:128"),
        (InvalidationDescriptorType.PasidCache, 3, "8:6 15:12 63:52 255:64"),
        (InvalidationDescriptorType.PasidDeviceTlb, 0, "74:65 255:128"),
        (InvalidationDescriptorType.PageGroupResponse, 0, "8:5 63:52 65:64 255:76"),
    ];

    /// <summary>A unit with everything that a descriptor can be about.</summary>
    internal static HardwareProfile Capable { get; } = With(HardwareProfile.Named("friendly"), has => has with
    {
        DeviceTlb = true,
        InterruptRemapping = true,
        MaximumHandleMask = 7,
        PageRequests = true,
        PageRequestDrain = true,
        ScalableMode = true,
        ProcessAddressSpaces = true,
        PasidSizeCode = 19,
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_reserved_bit_of_every_descriptor_stops_the_queue_and_no_other_does(bool wide)
    {
        foreach ((InvalidationDescriptorType type, int granularity, string reserved) in _table)
        {
            if (!wide && type >= InvalidationDescriptorType.PasidIotlb)
                continue;
            int codes = type is InvalidationDescriptorType.ContextCache or InvalidationDescriptorType.Iotlb
                or InvalidationDescriptorType.PasidIotlb or InvalidationDescriptorType.PasidCache ? 2 : 0;
            for (int bit = 4 + codes; bit < (wide ? 256 : 128); bit++)
            {
                if (bit is >= 9 and <= 11)
                    continue;
                InvalidationQueueError expected = IsIn(reserved, bit) ? InvalidationQueueError.ReservedField : InvalidationQueueError.None;
                Assert.Equal((type, bit, expected), (type, bit, ErrorOf(Capable, Plain(type, granularity).With(bit, true), wide)));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_type_that_unit_or_width_does_not_have_stops_the_queue(bool wide)
    {
        HardwareProfile plain = With(Capable, has => has with
        {
            DeviceTlb = false,
            InterruptRemapping = false,
            PageRequests = false,
            PageRequestDrain = false,
            ScalableMode = false,
            AbortDma = true,
        });
        HardwareProfile noDevices = With(Capable, has => has with { DeviceTlb = false, PageRequests = false });
        (HardwareProfile, int[])[] rows = wide
            ? [(Capable, [1, 2, 3, 4, 5, 6, 7, 8, 9]), (plain, [1, 2, 5]), (noDevices, [1, 2, 4, 5, 6, 7])]
            : [(Capable, [1, 2, 3, 4, 5]), (plain, [1, 2, 5]), (noDevices, [1, 2, 4, 5])];
        foreach ((HardwareProfile profile, int[] known) in rows)
        {
            for (int type = 0; type < 128; type++)
            {
                int granularity = type is >= 1 and <= 9 ? _table[type - 1].Granularity : 0;
                InvalidationQueueError expected = known.Contains(type) ? InvalidationQueueError.None : InvalidationQueueError.InvalidType;
                Assert.Equal((type, expected), (type, ErrorOf(profile, Plain((InvalidationDescriptorType)type, granularity), wide)));
            }
        }
    }

    [Fact]
    public void A_drain_of_page_requests_is_reserved_where_the_unit_has_none()
    {
        Bits256 wait = Plain(InvalidationDescriptorType.Wait, 0).With(7, true);
        Assert.Equal(InvalidationQueueError.None, ErrorOf(Capable, wait, wide: false));
        Assert.Equal(InvalidationQueueError.ReservedField, ErrorOf(With(Capable, has => has with { PageRequestDrain = false }), wait, wide: false));
    }

    [Theory]
    [InlineData(InvalidationDescriptorType.ContextCache, "1 2 3")]
    [InlineData(InvalidationDescriptorType.Iotlb, "1 2 3")]
    [InlineData(InvalidationDescriptorType.PasidIotlb, "2 3")]
    [InlineData(InvalidationDescriptorType.PasidCache, "0 1 3")]
    public void A_granularity_without_meaning_stops_the_queue(InvalidationDescriptorType type, string meaningful)
    {
        for (int granularity = 0; granularity < 4; granularity++)
        {
            bool valid = meaningful.Contains((char)('0' + granularity), StringComparison.Ordinal);
            Assert.Equal(valid ? InvalidationQueueError.None : InvalidationQueueError.ReservedField, ErrorOf(Capable, Plain(type, granularity), wide: true));
        }
    }

    [Theory]
    [InlineData(InvalidationDescriptorType.Iotlb)]
    [InlineData(InvalidationDescriptorType.PasidIotlb)]
    public void A_mask_of_pages_beyond_the_largest_stops_the_queue_where_pages_are_selected(InvalidationDescriptorType type)
    {
        HardwareProfile coarse = Capable with { Capabilities = Capable.Capabilities with { PageSelectiveInvalidation = false } };
        for (int mask = 0; mask < 64; mask++)
        {
            Bits256 pages = Plain(type, 3).With(69, 64, (ulong)mask), all = Plain(type, 2).With(69, 64, (ulong)mask);
            bool valid = mask <= Capable.Capabilities.MaximumAddressMask;
            Assert.Equal(valid ? InvalidationQueueError.None : InvalidationQueueError.ReservedField, ErrorOf(Capable, pages, wide: true));
            Assert.Equal(InvalidationQueueError.None, ErrorOf(Capable, all, wide: true));
            Assert.Equal(InvalidationQueueError.None, ErrorOf(coarse, pages, wide: true));
        }
    }

    [Fact]
    public void Interrupt_entries_are_invalidated_all_or_in_a_block_that_contains_the_index()
    {
        for (int mask = 0; mask < 32; mask++)
        {
            using RemappingWorld world = new RemappingWorld(Capable).Enable();
            InterruptEntryCacheDescriptor some = new() { Type = InvalidationDescriptorType.InterruptEntryCache, IndexSelective = true, Index = 0xABCD, IndexMask = mask };
            world.Submit(some.Raw);
            Assert.Equal(mask <= 7 ? InvalidationQueueError.None : InvalidationQueueError.ReservedField, world.QueueError.Error);
            Assert.Equal(mask <= 7 ? [(0xABCD & -(1 << mask), 1 << mask)] : [], world.InterruptEntries);
            if (mask > 7)
                continue;
            world.Submit((some with { IndexSelective = false, IndexMask = 31 }).Raw);
            Assert.Equal((0, 65536), world.InterruptEntries[^1]);
            Assert.Equal(2, world.InterruptEntries.Count);
        }
    }

    private static Bits256 Plain(InvalidationDescriptorType type, int granularity) =>
        new Bits256((ulong)type & 15, 0, 0, 0).With(11, 9, (ulong)type >> 4).With(5, 4, (ulong)granularity);

    private static HardwareProfile With(HardwareProfile profile, Func<ExtendedCapabilityRegister, ExtendedCapabilityRegister> change) =>
        profile with { ExtendedCapabilities = change(profile.ExtendedCapabilities) };

    private static InvalidationQueueError ErrorOf(HardwareProfile profile, Bits256 descriptor, bool wide)
    {
        using RemappingWorld world = new RemappingWorld(profile, 1 << 20).Enable(wide: wide);
        world.SubmitAll(descriptor);
        InvalidationQueueError error = world.QueueError.Error;
        Assert.Equal(error != InvalidationQueueError.None, world.FaultStatus.InvalidationQueueError);
        Assert.Equal(error != InvalidationQueueError.None ? 0ul : wide ? 32u : 16u, world.Read(RegisterOffsets.InvalidationQueueHead));
        return error;
    }

    private static bool IsIn(string ranges, int bit) =>
        ranges.Split(' ').Select(range => range.Split(':')).Any(ends => bit <= int.Parse(ends[0], null) && bit >= int.Parse(ends[1], null));
}
