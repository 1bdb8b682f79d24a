using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What a dummy device says, and the registers by which software decides on requests, bit by bit.</summary>
public sealed class DummyLayouts
{
    [Fact]
    public void A_notice_has_the_bits_of_the_page()
    {
        LayoutProbe.Check(1, raw => new ReservationNotice(new(raw[0])), ("Number", "15:0"), ("NeedNs", "63:32"));
        LayoutProbe.CheckWrites(1, raw => new ReservationNotice(new(raw[0])));
    }

    [Fact]
    public void Registers_lie_at_the_offsets_of_the_page() => Assert.Equal(
        [0x20, 0x24, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44],
        [
            EhciManagementOffsets.Notice, EhciManagementOffsets.Answer, EhciManagementOffsets.SetupLow, EhciManagementOffsets.SetupHigh,
            EhciManagementOffsets.Hold, EhciManagementOffsets.Fetch, EhciManagementOffsets.ConfigurationSelect,
            EhciManagementOffsets.ConfigurationLength, EhciManagementOffsets.ConfigurationData,
        ]);

    [Fact]
    public void States_of_a_request_have_the_numbers_of_the_page() => Assert.Equal(
        [0, 1, 2, 3, 4], [(int)HeldState.None, (int)HeldState.Asked, (int)HeldState.Done, (int)HeldState.Dropped, (int)HeldState.Gone]);

    [Fact]
    public void A_dummy_says_what_its_driver_looks_for() => Assert.Equal(
        [0x1209, 0x00D0, 0x44, 0, 1, 1],
        [DummyInterface.VendorId, DummyInterface.ProductId, DummyInterface.Subclass, DummyInterface.Notices, DummyInterface.Reservation, DummyInterface.Refuse]);
}
