using System.Buffers.Binary;
using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>A stream whose controller is away for longer than its driver waits for a packet.</summary>
public sealed class LateStreamTests
{
    private const ulong PatienceNs = 60_000_000_000;
    private const ulong MillisecondNs = 1_000_000;
    private const int Transfers = 40;
    private const int Packets = 4;

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_buffer_that_came_back_is_not_written_any_more_and_the_stream_is_on_time_in_the_next_turn(TurnController kind)
    {
        using TimeSharedComputer machine = new(3, kind);
        machine.Ports[0].Plug(new StreamDevice(() => machine.Host.Loop.NowNs));
        SteppingGuest[] others = [.. Enumerable.Range(1, 2).Select(number => new SteppingGuest(machine.Host, machine.Guests[number], machine.Ports[number], (byte)(0x10 * number)))];
        List<int> heard = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { IsWorkConserving = false });
                List<Task> lives = [];
                foreach (SteppingGuest other in others)
                    lives.Add(other.Run(await machine.Open(lives.Count + 1), UsbHostControllers.Start, [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 40)]));
                List<int> heard = await Listen(await machine.Open(0));
                await Task.WhenAll(lives);
                return heard;
            },
            PatienceNs);

        // A third of the time is its own.
        Assert.InRange(heard.Count, Transfers * Packets / 8, Transfers * Packets * 2 / 3);
        Assert.Equal(heard.Order().Distinct(), heard);
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
    }

    // Two buffers in turn. Between two transfers a buffer is filled with something, which has to stay.
    private static async Task<List<int>> Listen(PciDevice device)
    {
        IUsbHostController controller = await UsbHostControllers.Start(device);
        UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, 1);
        await usb.SetInterface(0, 1);
        IUsbIsochronousPipe pipe = await usb.Connection.OpenIsochronous(usb.Configuration.Interfaces[1].Endpoints[0]);
        byte[] filled = [.. Enumerable.Repeat((byte)0xEE, Packets * pipe.PacketBytesMax)];
        byte[] found = new byte[filled.Length];
        List<int> heard = [];
        await Task.WhenAll(UseBuffer(0), UseBuffer(1));
        await pipe.Close();
        await usb.Release();
        await controller.Stop();
        return heard;

        async Task UseBuffer(int number)
        {
            MemoryBuffer buffer = device.Dma.Allocate(filled.Length);
            for (int turn = number; turn < Transfers; turn += 2)
            {
                DmaMapping mapping = (await device.Dma.Map(buffer, DmaDirection.FromDevice)).Mapping;
                IsochronousPacket[] packets = [.. Enumerable.Range(0, Packets).Select(index => new IsochronousPacket(index * pipe.PacketBytesMax, pipe.PacketBytesMax))];
                Assert.Equal(TransferStatus.Completed, (await pipe.Transfer(mapping, packets)).Status);
                buffer.Read(0, found);
                heard.AddRange(packets.Where(packet => packet.Status == TransferStatus.Completed).Select(packet => BinaryPrimitives.ReadInt32LittleEndian(found.AsSpan(packet.Offset))));
                buffer.Write(0, filled);
                await controller.Processor.Delay(MillisecondNs);
                buffer.Read(0, found);
                Assert.Equal(filled, found);
                Assert.Equal(DmaRefusal.None, await device.Dma.Unmap(mapping));
            }
        }
    }
}
