using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Where transfers end, as whoever watches the bus is told.</summary>
public sealed class XhciTransferEndTests
{
    [Fact]
    public void Event_data_counts_the_bytes_of_its_own_transfer_and_ends_it_for_whoever_watches()
    {
        using XhciBench bench = new();
        bench.Start();
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(new XhciTestDevice(), 1);
        List<(byte Endpoint, TransferOutcome Outcome)> ended = [];
        bench.Controller.Buses[0].Observer = new Watcher((token, outcome) => ended.Add((token.Endpoint, outcome)));
        _ = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        _ = ring.Add(XhciTrbs.Normal(bench.Take(512), 512, interrupts: false, chain: true));
        _ = ring.Add(XhciTrbs.EventData(0xAB));
        bench.Doorbell(slot, 2);
        bench.Loop.RunFor(1_000_000);
        TransferEvent told = XhciTrbs.Transfers(bench.Drain())[^1];
        Assert.Equal((true, 0xABul, 512), (told.EventData, told.Pointer, told.Residual));
        Assert.Equal([(1, TransferOutcome.Completed), (1, TransferOutcome.Completed)], ended.Select(end => ((int)end.Endpoint, end.Outcome)));
    }

    [Fact]
    public void A_transfer_that_fails_before_its_first_packet_ends_no_other_for_whoever_watches()
    {
        using XhciBench bench = new();
        bench.Start();
        (int slot, _, XhciTestRing toDevice, XhciTestRing toHost) = bench.Bulk(new XhciTestDevice(), 1);
        List<(UsbPid Pid, TransferOutcome Outcome)> ended = [];
        bench.Controller.Buses[0].Observer = new Watcher((token, outcome) => ended.Add((token.Pid, outcome)));
        _ = toDevice.Add(XhciTrbs.Normal(bench.Take(512), 512));
        bench.Doorbell(slot, 2);
        bench.Loop.RunFor(1_000_000);
        _ = toHost.Add(XhciTrbs.Status(isIn: true));
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal([(UsbPid.Out, TransferOutcome.Completed), (UsbPid.In, TransferOutcome.BufferError)], ended);
    }

    private sealed class Watcher(Action<UsbToken, TransferOutcome> ended) : IPacketObserver
    {
        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
        {
        }

        public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome) => ended(token, outcome);
    }
}
