using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Unmodified drivers in several guests that have one controller in turns.</summary>
public sealed class TimeSharedDiskTests
{
    private const ulong PatienceNs = 600_000_000_000;

    [Theory]
    [InlineData(TurnController.Ehci, 2, 10_000_000ul, true)]
    [InlineData(TurnController.Ehci, 3, 10_000_000ul, false)]
    [InlineData(TurnController.Ehci, 4, 2_000_000ul, true)]
    [InlineData(TurnController.Xhci, 2, 10_000_000ul, true)]
    [InlineData(TurnController.Xhci, 3, 10_000_000ul, false)]
    [InlineData(TurnController.Xhci, 4, 2_000_000ul, true)]
    public void Guests_that_have_a_controller_in_turns_read_their_disks_byte_for_byte(TurnController kind, int guests, ulong quantumNs, bool isWorkConserving)
    {
        using TimeSharedComputer machine = new(guests, kind);
        byte[][] contents = [.. Enumerable.Range(0, guests).Select(number => DiskReader.Content(sectors: 100 + number))];
        for (int number = 0; number < guests; number++)
            machine.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
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
}
