using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Isochronous pipes of the EHCI driver: a packet in each interval, none lost, none twice.</summary>
public abstract class IsochronousDriverTests
{
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 60_000_000_000;
    private const int Transfers = 24;

    // What one of two transfers has to last, so that the next one is queued in time.
    private const ulong LeastNs = 4 * FrameNs;

    [Theory]
    [InlineData(1, 64, 0, false)]
    [InlineData(1, 1024, 1, false)]
    [InlineData(3, 512, 0, false)]
    [InlineData(4, 192, 0, false)]
    [InlineData(6, 192, 0, false)]
    [InlineData(1, 96, 0, true)]
    [InlineData(1, 192, 0, true)]
    [InlineData(1, 400, 0, true)]
    [InlineData(2, 192, 0, true)]
    public void Whoever_keeps_two_transfers_queued_misses_no_interval_in_either_direction(int interval, int packetBytes, int extra, bool behindHub)
    {
        using UsbComputer machine = Computer();
        StreamDevice device = new(() => machine.Loop.NowNs, behindHub ? UsbSpeed.Full : UsbSpeed.High, packetBytes, extra, (byte)interval);
        if (behindHub)
        {
            UsbHub hub = new(machine.Loop);
            hub.Downstream[1].Plug(device);
            machine.Ports[0].Plug(hub);
        }
        else
        {
            machine.Ports[0].Plug(device);
        }

        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle? hub = behindHub ? await UsbDeviceHandle.Enumerate(controller, 1) : null;
            HubDriver? hubDriver = hub is null ? null : await HubDriver.Start(hub);
            UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(hubDriver is null ? controller : hubDriver, hubDriver is null ? 1 : 2);
            UsbInterface face = usb.Configuration.Interfaces[1];
            await usb.SetInterface(0, 1);
            IUsbIsochronousPipe input = await usb.Connection.OpenIsochronous(face.Endpoints[0]);
            IUsbIsochronousPipe output = await usb.Connection.OpenIsochronous(face.Endpoints[1]);
            Task<List<int>> listening = Listen(machine, input);
            await Speak(machine, output);
            List<int> heard = await listening;
            Assert.Equal(Enumerable.Range(heard[0], heard.Count), heard);
            await input.Close();
            await output.Close();
            await usb.Release();
            if (hubDriver is not null)
                await hubDriver.Stop();
            if (hub is not null)
                await hub.Release();
            await controller.Stop();
        }, PatienceNs);
        Assert.Equal(Enumerable.Range(1, device.Received.Count), device.Received.Select(packet => packet.Number));
        AssertEven(device.Received.Select(packet => packet.Ns), interval, behindHub);
        AssertEven(device.Asked, interval, behindHub);
        Assert.Equal(0, machine.Dma.MappingsLive);
    }

    [Fact]
    public void A_pause_is_told_of_in_intervals()
    {
        using UsbComputer machine = Computer();
        machine.Ports[0].Plug(new StreamDevice(() => machine.Loop.NowNs));
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, 1);
            await usb.SetInterface(0, 1);
            IUsbIsochronousPipe input = await usb.Connection.OpenIsochronous(usb.Configuration.Interfaces[1].Endpoints[0]);
            (DmaMapping mapping, IsochronousPacket[] packets) = await Buffer(machine, input, DmaDirection.FromDevice);
            Assert.Equal(0, (await input.Transfer(mapping, packets)).IntervalsSkipped);
            await controller.Processor.Delay(20 * FrameNs);
            Assert.InRange((await input.Transfer(mapping, packets)).IntervalsSkipped, 20, 25);
            await input.Close();
            await usb.Release();
            await controller.Stop();
        }, PatienceNs);
    }

    [Fact]
    public void A_device_that_is_pulled_out_ends_no_stream_but_brings_no_packets()
    {
        using UsbComputer machine = Computer();
        machine.Ports[0].Plug(new StreamDevice(() => machine.Loop.NowNs));
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, 1);
            await usb.SetInterface(0, 1);
            IUsbIsochronousPipe input = await usb.Connection.OpenIsochronous(usb.Configuration.Interfaces[1].Endpoints[0]);
            (DmaMapping mapping, IsochronousPacket[] packets) = await Buffer(machine, input, DmaDirection.FromDevice);
            machine.Ports[0].Unplug();
            Assert.Equal(TransferStatus.Completed, (await input.Transfer(mapping, packets)).Status);
            Assert.All(packets, packet => Assert.Equal((TransferStatus.NoAnswer, 0), (packet.Status, packet.Moved)));
            await input.Close();
            await usb.Release();
            await controller.Stop();
        }, PatienceNs);
    }

    [Fact]
    public void A_stream_for_which_no_time_is_left_is_refused_and_fits_again_when_another_is_closed()
    {
        using UsbComputer machine = Computer();
        machine.Ports[0].Plug(new StreamDevice(() => machine.Loop.NowNs, packetBytes: 1024, extra: 2, interval: 1));
        machine.Loop.Run(async () =>
        {
            IUsbHostController controller = await UsbHostControllers.Start(machine.Device);
            UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, 1);
            IReadOnlyList<UsbEndpoint> endpoints = usb.Configuration.Interfaces[1].Endpoints;
            IUsbIsochronousPipe first = await usb.Connection.OpenIsochronous(endpoints[0]);
            DriverException refused = await Assert.ThrowsAsync<DriverException>(async () => await usb.Connection.OpenIsochronous(endpoints[1]));
            Assert.Equal(DriverFailure.NoBandwidth, refused.Failure);
            await first.Close();
            await (await usb.Connection.OpenIsochronous(endpoints[1])).Close();
            await usb.Release();
            await controller.Stop();
        }, PatienceNs);
    }

    // Two buffers in turn: while the packets of one move, those of the other are looked at.
    private static async Task<List<int>> Listen(UsbComputer machine, IUsbIsochronousPipe pipe)
    {
        List<int> heard = [];
        List<(DmaMapping Mapping, IsochronousPacket[] Packets)> buffers = [await Buffer(machine, pipe, DmaDirection.FromDevice), await Buffer(machine, pipe, DmaDirection.FromDevice)];
        Task<IsochronousResult>[] running = [Start(pipe, buffers[0]), Start(pipe, buffers[1])];
        for (int turn = 0; turn < Transfers; turn++)
        {
            int which = turn % 2;
            Assert.Equal(new IsochronousResult(TransferStatus.Completed, 0), await running[which]);
            foreach (IsochronousPacket packet in buffers[which].Packets)
            {
                Assert.Equal(TransferStatus.Completed, packet.Status);
                heard.Add(machine.ReadInt32(buffers[which].Mapping, packet.Offset));
            }

            running[which] = turn + 2 < Transfers ? Start(pipe, buffers[which]) : running[which];
        }

        foreach ((DmaMapping mapping, _) in buffers)
            Assert.Equal(DmaRefusal.None, await machine.Dma.Unmap(mapping));
        return heard;
    }

    private static async Task Speak(UsbComputer machine, IUsbIsochronousPipe pipe)
    {
        int number = 1;
        List<(DmaMapping Mapping, IsochronousPacket[] Packets)> buffers = [await Buffer(machine, pipe, DmaDirection.ToDevice), await Buffer(machine, pipe, DmaDirection.ToDevice)];
        Task<IsochronousResult>[] running = new Task<IsochronousResult>[2];
        for (int turn = 0; turn < Transfers; turn++)
        {
            int which = turn % 2;
            if (turn >= 2)
                Assert.Equal(new IsochronousResult(TransferStatus.Completed, 0), await running[which]);
            foreach (IsochronousPacket packet in buffers[which].Packets)
                machine.WriteInt32(buffers[which].Mapping, packet.Offset, number++);
            running[which] = Start(pipe, buffers[which]);
        }

        await Task.WhenAll(running);
        foreach ((DmaMapping mapping, IsochronousPacket[] packets) in buffers)
        {
            Assert.All(packets, packet => Assert.Equal((TransferStatus.Completed, packet.Length), (packet.Status, packet.Moved)));
            Assert.Equal(DmaRefusal.None, await machine.Dma.Unmap(mapping));
        }
    }

    private static Task<IsochronousResult> Start(IUsbIsochronousPipe pipe, (DmaMapping Mapping, IsochronousPacket[] Packets) buffer) =>
        pipe.Transfer(buffer.Mapping, buffer.Packets).AsTask();

    private static async Task<(DmaMapping Mapping, IsochronousPacket[] Packets)> Buffer(UsbComputer machine, IUsbIsochronousPipe pipe, DmaDirection direction)
    {
        int count = (int)Math.Max(LeastNs / pipe.IntervalNs, 8) / pipe.PacketMultiple * pipe.PacketMultiple;
        MemoryBuffer buffer = machine.Dma.Allocate(count * pipe.PacketBytesMax);
        IsochronousPacket[] packets = new IsochronousPacket[count];
        for (int index = 0; index < count; index++)
            packets[index] = new(index * pipe.PacketBytesMax, pipe.PacketBytesMax);
        return ((await machine.Dma.Map(buffer, direction)).Mapping, packets);
    }

    // From one packet to the next it is the interval, give or take where in its microframe or frame it is served.
    private static void AssertEven(IEnumerable<ulong> times, int interval, bool behindHub)
    {
        ulong periodNs = (behindHub ? FrameNs : FrameNs / 8) << (interval - 1);
        ulong slackNs = behindHub ? FrameNs / 2 : FrameNs / 10;
        ulong[] all = [.. times];
        Assert.True(all.Length > 100, $"{all.Length} packets.");
        for (int index = 1; index < all.Length; index++)
            Assert.InRange(all[index] - all[index - 1], periodNs - Math.Min(periodNs, slackNs), periodNs + slackNs);
    }

    private protected abstract UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null);
}

/// <summary>The same on EHCI.</summary>
public sealed class EhciIsochronousDriverTests : IsochronousDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(device: null, fabric: fabric);
}

/// <summary>The same on xHCI.</summary>
public sealed class XhciIsochronousDriverTests : IsochronousDriverTests
{
    private protected override UsbComputer Computer(Func<IDmaFabric, IDmaFabric>? fabric = null) => new(new XhciOptions(), fabric);
}
