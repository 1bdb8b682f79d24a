using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Save and restore by way of the scratchpad buffers.</summary>
public sealed class XhciStateTests
{
    [Fact]
    public void A_transfer_goes_on_in_the_middle_after_save_reset_and_restore()
    {
        using XhciBench bench = new(new() { SlotCount = 8 });
        bench.Start();
        XhciTestDevice device = new();
        int given = 0;
        bool toggle = false;
        device.Gives = (_, _) => given >= 3 ? UsbReply.Nak : UsbReply.Data(toggle, 512);
        device.Confirms = _ => (given, toggle) = (given + 1, !toggle);
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(2048), 2048));
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        Move(bench, saves: true);
        Assert.False(bench.Status.SaveRestoreError);

        // A light reset keeps the port, and with it the device its address.
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { LightReset = true }.Raw.Value);
        Restart(bench);
        Assert.Equal(CompletionCode.SlotNotEnabled, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        bench.Run(false);
        Move(bench, saves: false);
        Assert.False(bench.Status.SaveRestoreError);
        bench.Run(true);
        given = 2;
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(SlotState.Configured, bench.SlotContextOf(slot).State);
    }

    [Fact]
    public void Garbage_in_the_scratchpads_is_an_error_and_leaves_no_device()
    {
        Random random = new((int)Property.Seed);
        for (int round = 0; round < Property.Cases(60); round++)
        {
            using XhciBench bench = new(new() { SlotCount = 4 });
            bench.Start();
            (int slot, _, _, _) = bench.Bulk(new XhciTestDevice(), 1);
            bench.Run(false);
            Move(bench, saves: true);
            Assert.False(bench.Status.SaveRestoreError);
            ulong page = bench.Read<ulong>(bench.Read<ulong>(XhciBench.ContextArray));
            byte[] saved = bench.ReadBytes(page, 256);
            int at = random.Next(256);
            saved[at] ^= (byte)random.Next(1, 256);
            bench.WriteBytes(page, saved);
            Move(bench, saves: false);
            Assert.True(bench.Status.SaveRestoreError);
            bench.Run(true);
            Assert.Equal(CompletionCode.SlotNotEnabled, bench.Command(XhciTrbs.OfSlot(TrbType.ResetDevice, slot)).Code);
        }
    }

    [Fact]
    public void Without_scratchpads_there_is_nowhere_to_save_to()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Write(XhciBench.ContextArray, 0ul);
        bench.Run(false);
        Move(bench, saves: true);
        Assert.True(bench.Status.SaveRestoreError);
    }

    [Fact]
    public void A_running_controller_saves_nothing()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Run = true, SaveState = true }.Raw.Value);
        Assert.False(bench.Status.Saving);
    }

    private static void Move(XhciBench bench, bool saves)
    {
        bench.Run(false);
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { SaveState = saves, RestoreState = !saves }.Raw.Value);
        Assert.Equal((saves, !saves), (bench.Status.Saving, bench.Status.Restoring));
        bench.Loop.RunFor(20_000);
        Assert.True(bench.Status is { Saving: false, Restoring: false });
    }

    private static void Restart(XhciBench bench)
    {
        bench.WriteRegister(XhciOperationalOffsets.Configure, 8);
        bench.WriteRegister(XhciOperationalOffsets.ContextArray, XhciBench.ContextArray, 8);
        (ulong next, bool cycle) = bench.Commands.Enqueue;
        bench.WriteRegister(XhciOperationalOffsets.CommandRing, next | (cycle ? 1ul : 0), 8);
        bench.GiveEventRing(0);
        bench.Run(true);
    }
}
