using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Devices of full and low speed behind a high-speed hub: the controller talks to them through its transaction translator.</summary>
public sealed class XhciHubTests
{
    private const int HubPort = 2;

    [Theory]
    [InlineData(UsbSpeed.Full)]
    [InlineData(UsbSpeed.Low)]
    [InlineData(UsbSpeed.High)]
    public void A_device_behind_a_hub_is_addressed_and_moves_data(UsbSpeed speed)
    {
        using XhciBench bench = new();
        bench.Start();
        UsbHub hub = new(bench.Loop);
        XhciTestDevice device = new() { Speed = speed };
        int hubSlot = Open(bench, hub, device);
        int slot = Address(bench, hubSlot, speed);
        Assert.NotEqual(0, device.Address);
        Assert.Equal(device.Address, bench.SlotContextOf(slot).Address);

        XhciTestRing ring = new(bench);
        int packet = speed == UsbSpeed.Low ? 8 : 64;
        int sent = 0;
        device.Gives = (token, room) =>
        {
            if (token.Endpoint != 1 || sent > 1)
                return UsbReply.Nak;
            room.Span[..packet].Fill((byte)(sent + 1));
            return UsbReply.Data(sent == 1, packet);
        };
        device.Confirms = _ => sent++;
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (3, XhciBench.Endpoint(XhciEndpointType.InterruptIn, packet, ring.Start, interval: 3))));
        ulong buffer = bench.Take(2 * packet);
        ulong at = ring.Add(XhciTrbs.Normal(buffer, 2 * packet));
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal([.. Enumerable.Repeat((byte)1, packet), .. Enumerable.Repeat((byte)2, packet)], bench.ReadBytes(buffer, 2 * packet));
    }

    [Fact]
    public void Bulk_data_passes_the_translator_both_ways_and_a_stall_comes_back()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Full };
        int hubSlot = Open(bench, new UsbHub(bench.Loop), device);
        int slot = Address(bench, hubSlot, UsbSpeed.Full);
        (XhciTestRing toDevice, XhciTestRing toHost) = (new(bench), new(bench));
        List<byte> taken = [];
        device.Takes = (_, bytes) =>
        {
            taken.AddRange(bytes);
            return UsbReply.Ack;
        };
        device.Gives = static (_, _) => UsbReply.Stall;
        Assert.Equal(CompletionCode.Success, bench.Configure(
            slot,
            (2, XhciBench.Endpoint(XhciEndpointType.BulkOut, 64, toDevice.Start)),
            (3, XhciBench.Endpoint(XhciEndpointType.BulkIn, 64, toHost.Start))));
        byte[] data = [.. Enumerable.Range(0, 300).Select(value => (byte)value)];
        ulong buffer = bench.Take(300);
        bench.WriteBytes(buffer, data);
        ulong at = toDevice.Add(XhciTrbs.Normal(buffer, 300));
        bench.Doorbell(slot, 2);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(data, taken);
        at = toHost.Add(XhciTrbs.Normal(buffer, 64));
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Stall, bench.WaitTransfer(at).Code);
    }

    [Fact]
    public void An_isochronous_payload_reaches_a_device_behind_a_translator_in_each_frame()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Full };
        int hubSlot = Open(bench, new UsbHub(bench.Loop), device);
        int slot = Address(bench, hubSlot, UsbSpeed.Full);
        XhciTestRing ring = new(bench);
        List<int> lengths = [];
        device.Takes = (_, bytes) =>
        {
            lengths.Add(bytes.Length);
            return UsbReply.Silence;
        };
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (4, XhciBench.Endpoint(XhciEndpointType.IsochronousOut, 400, ring.Start, interval: 3))));
        for (int frame = 0; frame < 5; frame++)
            _ = ring.Add(XhciTrbs.Isochronous(bench.Take(400), 400));
        _ = bench.Drain();
        bench.Events.Clear();
        bench.Doorbell(slot, 4);
        bench.Loop.RunFor(15_000_000);
        _ = bench.Drain();
        Assert.Equal(5, XhciTrbs.Transfers(bench.Events).Count(transfer => transfer.Code == CompletionCode.Success));
        Assert.Equal([400, 400, 400, 400, 400], lengths);
    }

    // A hub with an address and a configuration, its port powered and reset with a device in it.
    [Fact]
    public void A_device_whose_hub_has_a_later_slot_survives_save_and_restore()
    {
        using XhciBench bench = new(new() { SlotCount = 8 });
        bench.Start();
        int first = bench.Command(XhciTrbs.EnableSlot()).Slot;
        XhciTestDevice device = new() { Speed = UsbSpeed.Full };
        int hubSlot = Open(bench, new UsbHub(bench.Loop), device);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfSlot(TrbType.DisableSlot, first)).Code);
        int slot = Address(bench, hubSlot, UsbSpeed.Full);
        Assert.True(slot < hubSlot);
        bench.Run(false);
        foreach (XhciCommand command in (XhciCommand[])[new() { SaveState = true }, new() { RestoreState = true }])
        {
            bench.WriteRegister(XhciOperationalOffsets.Command, command.Raw.Value);
            bench.Loop.RunFor(20_000);
            Assert.True(bench.Status is { Saving: false, Restoring: false, SaveRestoreError: false });
        }

        bench.Run(true);
        XhciTestRing ring = new(bench);
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (2, XhciBench.Endpoint(XhciEndpointType.BulkOut, 64, ring.Start))));
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(64), 64));
        bench.Doorbell(slot, 2);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
    }

    private static int Open(XhciBench bench, UsbHub hub, XhciTestDevice device)
    {
        bench.Attach(hub, 1);
        (int slot, XhciTestRing control) = bench.Address(1);
        Request(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 });
        hub.Downstream[HubPort - 1].Plug(device);
        Request(new() { Type = RequestType.Class, Recipient = (RequestRecipient)3, Request = 3, Value = 8, Index = HubPort });
        bench.Loop.RunFor(200_000_000);
        Request(new() { Type = RequestType.Class, Recipient = (RequestRecipient)3, Request = 3, Value = 4, Index = HubPort });
        bench.Loop.RunFor(100_000_000);
        Assert.True(hub.StatusOf(HubPort).Enabled, $"{hub.StatusOf(HubPort)}");
        return slot;

        void Request(SetupPacket packet)
        {
            _ = control.Add(XhciTrbs.Setup(packet, SetupTransferType.NoData));
            ulong at = control.Add(XhciTrbs.Status(isIn: true));
            bench.Doorbell(slot, 1);
            Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        }
    }

    private static int Address(XhciBench bench, int hubSlot, UsbSpeed speed)
    {
        int slot = bench.Command(XhciTrbs.EnableSlot()).Slot;
        bench.Write(XhciBench.ContextArray + (ulong)(8 * slot), bench.Take(2048));
        PortSpeed asked = speed switch { UsbSpeed.Low => PortSpeed.Low, UsbSpeed.Full => PortSpeed.Full, _ => PortSpeed.High };
        ulong input = bench.InputContext(add: 3);
        bool isTranslated = speed != UsbSpeed.High;
        bench.Write(bench.InputAt(input, 0), new SlotContext
        {
            Speed = asked,
            RootPort = 1,
            Entries = 1,
            Route = HubPort,
            TranslatorSlot = (byte)(isTranslated ? hubSlot : 0),
            TranslatorPort = (byte)(isTranslated ? HubPort : 0),
        });
        bench.Write(bench.InputAt(input, 1), new EndpointContext
        {
            Type = XhciEndpointType.Control,
            MaxPacketSize = speed == UsbSpeed.Low ? 8 : 64,
            ErrorCount = 3,
            Dequeue = new XhciTestRing(bench).Start,
            CycleState = true,
        });
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.AddressDevice(slot, input)).Code);
        return slot;
    }
}
