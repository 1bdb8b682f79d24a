using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the reference sheet, sections 7.2 and 7.5.</summary>
public sealed class InterruptLayouts
{
    [Fact]
    public void An_interrupt_remapping_entry_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            2,
            raw => new InterruptRemappingEntry(new(raw[0], raw[1])),
            ("Present", "0"),
            ("FaultProcessingDisable", "1"),
            ("IsPosted", "15"),
            ("Vector", "23:16"),
            ("Source", "79:64"),
            ("SourceQualifier", "81:80"),
            ("SourceValidation", "83:82"));
        LayoutProbe.CheckWrites(2, raw => new InterruptRemappingEntry(new(raw[0], raw[1])));
    }

    [Fact]
    public void A_remapped_interrupt_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            2,
            raw => new RemappedInterrupt(new(raw[0], raw[1])),
            ("Common", "127:0"),
            ("LogicalDestination", "2"),
            ("RedirectionHint", "3"),
            ("LevelTriggered", "4"),
            ("DeliveryMode", "7:5"),
            ("Available", "11:8"),
            ("Destination", "63:32"));
        LayoutProbe.CheckWrites(2, raw => new RemappedInterrupt(new(raw[0], raw[1])));
    }

    [Fact]
    public void A_posted_interrupt_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            2,
            raw => new PostedInterrupt(new(raw[0], raw[1])),
            ("Common", "127:0"),
            ("Available", "11:8"),
            ("Urgent", "14"),
            ("Descriptor", "63:38, 127:96"));
        LayoutProbe.CheckWrites(2, raw => new PostedInterrupt(new(raw[0], raw[1])));
    }

    [Fact]
    public void A_posted_interrupt_descriptor_has_the_bits_of_the_manual()
    {
        static PostedInterruptDescriptor Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7]));
        LayoutProbe.Check(
            8,
            Read,
            ("Requests", "255:0"),
            ("OutstandingNotification", "256"),
            ("SuppressNotification", "257"),
            ("NotificationVector", "279:272"),
            ("NotificationDestination", "319:288"));
        LayoutProbe.CheckWrites(8, Read);
    }

    [Fact]
    public void An_interrupt_request_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            1,
            raw => new InterruptRequestAddress(new(raw[0])),
            ("Handle", "19:5, 2"),
            ("SubhandleValid", "3"),
            ("IsRemappable", "4"));
        LayoutProbe.CheckWrites(1, raw => new InterruptRequestAddress(new(raw[0])));
        LayoutProbe.Check(1, raw => new InterruptRequestData(new(raw[0])), ("Subhandle", "15:0"));
        LayoutProbe.CheckWrites(1, raw => new InterruptRequestData(new(raw[0])));
    }

    [Fact]
    public void The_address_of_a_descriptor_is_put_together_from_its_halves() =>
        Assert.Equal(0x1234_5678_9ABC_DEC0ul, new PostedInterrupt(new(0x9ABC_DEC0_0000_0000, 0x1234_5678_0000_0000)).Descriptor.Value);

    [Theory]
    [InlineData(InterruptDeliveryMode.Fixed, 0x00)]
    [InlineData(InterruptDeliveryMode.LowestPriority, 0x20)]
    [InlineData(InterruptDeliveryMode.SystemManagement, 0x40)]
    [InlineData(InterruptDeliveryMode.NonMaskable, 0x80)]
    [InlineData(InterruptDeliveryMode.Init, 0xA0)]
    [InlineData(InterruptDeliveryMode.External, 0xE0)]
    public void A_delivery_mode_has_the_code_of_the_manual(InterruptDeliveryMode mode, ulong word) =>
        Assert.Equal(word, new RemappedInterrupt { DeliveryMode = mode }.Raw.Word0);
}
