using Dma.Drivers;
using Dma.Lab;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Streams of up to three packets in a microframe, by each way that stands between a guest and its device.</summary>
public sealed class MediatedStreamTests
{
    private const ulong TimeNs = 300_000_000;

    public static TheoryData<string, int, bool> Streams =>
        [.. from way in new[] { "emulated", "g", "h", "split", "e", "e+g" } from bytes in new[] { 128, 1025, 3072 } from isIn in new[] { true, false } select (way, bytes, isIn)];

    [Theory]
    [MemberData(nameof(Streams))]
    public void Each_turn_comes_whole_however_many_packets_it_has(string way, int bytes, bool isIn)
    {
        using SharingWorld world = SharingMechanisms.All.Single(mechanism => mechanism.Letters == way).Create!(new(1, SharingWorkload.Video, Seed: 1));
        IsochronousSetting setting = new(bytes, isIn);
        IsochronousDevice device = new(setting);
        world.Plug(0, device);
        IsochronousDriver stream = world.Host.Loop.Run(async () =>
        {
            await world.Prepare();
            (IUsbHostController usb, int port) = await world.Start(0);
            IsochronousDriver driver = IsochronousDriver.Open(await UsbDeviceHandle.Enumerate(usb, port));
            await driver.Choose(1);
            await world.Host.Loop.Delay(TimeNs);
            return driver;
        });
        Assert.True(stream.Due > TimeNs / WireTime.MicroframeNs * 9 / 10);
        Assert.Equal(0ul, stream.Missed);

        // What is imitated begins with empty turns, until the host has some; the last row of what goes out is under way.
        ulong turns = isIn ? stream.Bytes / (ulong)(setting.Packets * setting.PacketBytes) : device.PacketsTaken / (ulong)setting.Packets;
        Assert.Equal(0ul, isIn ? stream.Bytes % (ulong)(setting.Packets * setting.PacketBytes) : device.PacketsTaken % (ulong)setting.Packets);
        Assert.True(turns > stream.Due * 9 / 10, $"{turns} of {stream.Due}");
    }
}
