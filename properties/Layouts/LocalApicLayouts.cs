using Dma.Machine;

namespace Dma.Properties;

/// <summary>The registers of a local APIC have the bits and places of the manual (Intel SDM volume 3, chapter 11).</summary>
public sealed class LocalApicLayouts
{
    [Fact]
    public void The_spurious_vector_register_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(1, Spurious, ("Vector", "7:0"), ("IsEnabled", "8"), ("SuppressesBroadcast", "12"));
        LayoutProbe.CheckWrites(1, Spurious);
    }

    [Fact]
    public void An_entry_of_the_local_vector_table_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            1,
            Entry,
            ("Vector", "7:0"),
            ("DeliveryMode", "10:8"),
            ("IsActiveLow", "13"),
            ("RemoteRequest", "14"),
            ("IsLevel", "15"),
            ("IsMasked", "16"),
            ("IsPeriodic", "17"));
        LayoutProbe.CheckWrites(1, Entry);
    }

    [Fact]
    public void An_interrupt_command_has_the_bits_of_the_manual()
    {
        LayoutProbe.Check(
            1,
            raw => new InterruptCommand(new(raw[0])),
            ("Vector", "7:0"),
            ("DeliveryMode", "10:8"),
            ("IsLogical", "11"),
            ("Shorthand", "19:18"),
            ("Destination", "63:56"));
        LayoutProbe.CheckWrites(1, raw => new InterruptCommand(new(raw[0])));
    }

    [Theory]
    [InlineData(LocalApicErrors.SendIllegalVector, 0x20)]
    [InlineData(LocalApicErrors.ReceiveIllegalVector, 0x40)]
    [InlineData(LocalApicErrors.IllegalRegisterAddress, 0x80)]
    public void An_error_has_the_bit_of_the_manual(LocalApicErrors error, int bit) => Assert.Equal(bit, (int)error);

    // Place, value after a reset, and which bits software can change.
    [Theory]
    [InlineData(0x020, 0x0500_0000u, 0x0000_0000u)]
    [InlineData(0x030, 0x0103_0014u, 0x0000_0000u)]
    [InlineData(0x080, 0x0000_0000u, 0x0000_00FFu)]
    [InlineData(0x0A0, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x0B0, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x0D0, 0x0000_0000u, 0xFF00_0000u)]
    [InlineData(0x0E0, 0xFFFF_FFFFu, 0xF000_0000u)]
    [InlineData(0x0F0, 0x0000_00FFu, 0x0000_11FFu)]
    [InlineData(0x100, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x1F0, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x270, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x280, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x300, 0x0000_0000u, 0x000C_CFFFu)]
    [InlineData(0x310, 0x0000_0000u, 0xFF00_0000u)]
    [InlineData(0x320, 0x0001_0000u, 0x0003_00FFu)]
    [InlineData(0x350, 0x0001_0000u, 0x0001_A7FFu)]
    [InlineData(0x360, 0x0001_0000u, 0x0001_A7FFu)]
    [InlineData(0x370, 0x0001_0000u, 0x0001_00FFu)]
    [InlineData(0x380, 0x0000_0000u, 0xFFFF_FFFFu)]
    [InlineData(0x390, 0x0000_0000u, 0x0000_0000u)]
    [InlineData(0x3E0, 0x0000_0000u, 0x0000_000Bu)]
    public void A_register_is_where_the_manual_has_it_and_changes_where_it_may(int offset, uint reset, uint writable)
    {
        // Each bit alone, in an APIC of its own that software has turned on, so that no mask bit sticks.
        for (int bit = 0; bit < 32; bit++)
        {
            LocalApic apic = new InterruptRouter(new()).ProcessorOf(5).Apic;
            Assert.Equal(reset, (uint)apic.Read((ulong)offset, 4));
            if (offset != LocalApicOffsets.SpuriousVector)
                apic.Write(LocalApicOffsets.SpuriousVector, 4, 0x1FF);
            apic.Write((ulong)offset, 4, reset ^ (1u << bit));
            Assert.Equal(writable & (1u << bit), reset ^ (uint)apic.Read((ulong)offset, 4));
        }
    }

    private static SpuriousVector Spurious(ulong[] raw) => new(new((uint)raw[0]));

    private static LocalVectorEntry Entry(ulong[] raw) => new(new((uint)raw[0]));
}
