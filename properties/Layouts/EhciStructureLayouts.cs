using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the EHCI reference sheet, sections 4 and 5.</summary>
public sealed class EhciStructureLayouts
{
    [Fact]
    public void Links_have_the_bits_of_the_manual()
    {
        Check(raw => new LinkPointer(raw), ("Terminate", "0"), ("Type", "2:1"), ("Address", "31:5"));
        Check(raw => new TransferLink(raw), ("Terminate", "0"), ("NakCounter", "4:1"), ("Address", "31:5"));
        Assert.Equal([0, 1, 2, 3], Enum.GetValues<LinkType>().Select(type => (int)type));
        Assert.Equal((0, 1, 2, 3), ((int)SplitPosition.All, (int)SplitPosition.Begin, (int)SplitPosition.Middle, (int)SplitPosition.End));
        Assert.Equal(1, (int)LinkType.QueueHead);
        Assert.Equal(2, (int)LinkType.SplitIsochronousTransfer);
    }

    [Fact]
    public void A_transfer_descriptor_has_the_bits_of_the_manual()
    {
        Check(
            raw => new TransferToken(raw),
            ("Ping", "0"),
            ("SplitTransactionState", "1"),
            ("MissedMicroframe", "2"),
            ("TransactionError", "3"),
            ("Babble", "4"),
            ("BufferError", "5"),
            ("Halted", "6"),
            ("Active", "7"),
            ("PacketId", "9:8"),
            ("ErrorCount", "11:10"),
            ("CurrentPage", "14:12"),
            ("InterruptOnComplete", "15"),
            ("TotalBytes", "30:16"),
            ("DataToggle", "31"));
        Check(
            raw => new BufferPointer(raw),
            ("Offset", "11:0"),
            ("CompleteSplitProgress", "7:0"),
            ("FrameTag", "4:0"),
            ("SplitBytes", "11:5"),
            ("Page", "31:12"));
        Assert.Equal([0, 1, 2], [(int)PacketId.Out, (int)PacketId.In, (int)PacketId.Setup]);
    }

    [Fact]
    public void A_queue_head_has_the_bits_of_the_manual()
    {
        Check(
            raw => new EndpointCharacteristics(raw),
            ("DeviceAddress", "6:0"),
            ("InactivateOnNext", "7"),
            ("Endpoint", "11:8"),
            ("Speed", "13:12"),
            ("ToggleFromDescriptor", "14"),
            ("ReclamationHead", "15"),
            ("MaxPacketSize", "26:16"),
            ("ControlEndpoint", "27"),
            ("NakReload", "31:28"));
        Check(
            raw => new EndpointCapabilities(raw),
            ("StartMask", "7:0"),
            ("CompleteMask", "15:8"),
            ("HubAddress", "22:16"),
            ("HubPort", "29:23"),
            ("Multiplier", "31:30"));
        Assert.Equal([0, 1, 2], [(int)EndpointSpeed.Full, (int)EndpointSpeed.Low, (int)EndpointSpeed.High]);
    }

    [Fact]
    public void An_isochronous_descriptor_has_the_bits_of_the_manual()
    {
        Check(
            raw => new IsochronousSlot(raw),
            ("Offset", "11:0"),
            ("PageSelect", "14:12"),
            ("InterruptOnComplete", "15"),
            ("Length", "27:16"),
            ("TransactionError", "28"),
            ("Babble", "29"),
            ("BufferError", "30"),
            ("Active", "31"));
        Check(
            raw => new IsochronousPointer(raw),
            ("DeviceAddress", "6:0"),
            ("Endpoint", "11:8"),
            ("MaxPacketSize", "10:0"),
            ("In", "11"),
            ("Multiplier", "1:0"),
            ("Page", "31:12"));
    }

    [Fact]
    public void A_split_isochronous_descriptor_has_the_bits_of_the_manual()
    {
        Check(
            raw => new SplitIsochronousEndpoint(raw),
            ("DeviceAddress", "6:0"),
            ("Endpoint", "11:8"),
            ("HubAddress", "22:16"),
            ("HubPort", "30:24"),
            ("In", "31"));
        Check(raw => new SplitIsochronousSchedule(raw), ("StartMask", "7:0"), ("CompleteMask", "15:8"));
        Check(
            raw => new SplitIsochronousState(raw),
            ("SplitTransactionState", "1"),
            ("MissedMicroframe", "2"),
            ("TransactionError", "3"),
            ("Babble", "4"),
            ("BufferError", "5"),
            ("TranslatorError", "6"),
            ("Active", "7"),
            ("CompleteSplitProgress", "15:8"),
            ("TotalBytes", "25:16"),
            ("PageSelect", "30"),
            ("InterruptOnComplete", "31"));
        Check(
            raw => new SplitIsochronousPointer(raw),
            ("Offset", "11:0"),
            ("TransactionCount", "2:0"),
            ("Position", "4:3"),
            ("Page", "31:12"));
    }

    [Fact]
    public void Structures_are_their_doublewords_in_order()
    {
        CheckOrder<QueueHead>(QueueHead.Size64, "Horizontal", "Characteristics", "Capabilities", "Current", "Overlay");
        CheckOrder<TransferDescriptor>(
            TransferDescriptor.Size64,
            "Next", "AlternateNext", "Token", "Page0", "Page1", "Page2", "Page3", "Page4", "High0", "High1", "High2", "High3", "High4");
        CheckOrder<IsochronousTransferDescriptor>(
            IsochronousTransferDescriptor.Size64,
            "Next", "Slot0", "Slot1", "Slot2", "Slot3", "Slot4", "Slot5", "Slot6", "Slot7",
            "Page0", "Page1", "Page2", "Page3", "Page4", "Page5", "Page6",
            "High0", "High1", "High2", "High3", "High4", "High5", "High6");
        CheckOrder<SplitIsochronousTransferDescriptor>(
            SplitIsochronousTransferDescriptor.Size64,
            "Next", "Endpoint", "Schedule", "State", "Page0", "Page1", "Back", "High0", "High1");
        CheckOrder<FrameSpanNode>(FrameSpanNode.Size, "Normal", "Back");
    }

    [Fact]
    public void Structures_have_the_sizes_and_offsets_of_the_manual()
    {
        Assert.Equal((48, 68), (QueueHead.Size32, QueueHead.Size64));
        Assert.Equal((32, 52), (TransferDescriptor.Size32, TransferDescriptor.Size64));
        Assert.Equal((64, 92), (IsochronousTransferDescriptor.Size32, IsochronousTransferDescriptor.Size64));
        Assert.Equal((28, 36), (SplitIsochronousTransferDescriptor.Size32, SplitIsochronousTransferDescriptor.Size64));
        Assert.Equal((12, 16), (QueueHead.CurrentOffset, QueueHead.OverlayOffset));
        Assert.Equal((8, 12, 32), (TransferDescriptor.TokenOffset, TransferDescriptor.PagesOffset, TransferDescriptor.HighOffset));
        Assert.Equal(
            (4, 36, 64),
            (IsochronousTransferDescriptor.SlotsOffset, IsochronousTransferDescriptor.PagesOffset, IsochronousTransferDescriptor.HighOffset));
        Assert.Equal(12, SplitIsochronousTransferDescriptor.StateOffset);
    }

    // Each doubleword that is changed in memory changes the field that has its number, and no other.
    private static void CheckOrder<T>(int size, params string[] fields)
        where T : unmanaged
    {
        Assert.Equal(size, Unsafe.SizeOf<T>());
        PropertyInfo[] properties = typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance);
        Assert.Equal(fields.Order(), properties.Select(property => property.Name).Order());
        for (int doubleword = 0; doubleword < size / 4; doubleword++)
        {
            byte[] bytes = new byte[size];
            bytes[4 * doubleword] = 0x20;
            object changed = MemoryMarshal.Read<T>(bytes);
            string expected = fields[Math.Min(doubleword, fields.Length - 1)];
            string[] actual = [.. properties.Where(property => !Equals(property.GetValue(changed), property.GetValue(default(T)))).Select(property => property.Name)];
            Assert.Equal([expected], actual);
        }
    }

    private static void Check<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
    }
}
