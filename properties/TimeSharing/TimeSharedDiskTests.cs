using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Unmodified drivers in several guests that have one controller in turns.</summary>
public sealed class TimeSharedDiskTests
{
    private const ulong PatienceNs = 600_000_000_000;

    [Theory]
    [InlineData(2, 10_000_000ul, true)]
    [InlineData(3, 10_000_000ul, false)]
    [InlineData(4, 2_000_000ul, true)]
    public void Guests_that_have_a_controller_in_turns_read_their_disks_byte_for_byte(int guests, ulong quantumNs, bool isWorkConserving)
    {
        using TimeSharedComputer machine = new(guests);
        byte[][] contents = [.. Enumerable.Range(0, guests).Select(Content)];
        for (int number = 0; number < guests; number++)
            machine.Controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = quantumNs, IsWorkConserving = isWorkConserving });
                return await Task.WhenAll(Enumerable.Range(0, guests).Select(number => Read(machine, number)));
            },
            PatienceNs);
        Assert.Equal(contents, found);
        Assert.Equal(0ul, machine.Host.Faults.Total);
        Assert.True(machine.Ledger.Turns > (ulong)guests);
    }

    private static async Task<byte[]> Read(TimeSharedComputer machine, int number)
    {
        PciDevice device = await machine.Open(number);
        return await DiskReader.ReadAll(device, number + 1);
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[100 * 512];
        new Random(seed).NextBytes(content);
        return content;
    }
}
