using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Unmodified drivers in several guests, each with a register set of one controller.</summary>
public sealed class SharedDiskTests
{
    private const ulong PatienceNs = 600_000_000_000;

    [Fact]
    public void Guests_that_share_a_controller_read_their_disks_byte_for_byte_at_the_same_time()
    {
        foreach (SharingPolicy policy in (SharingPolicy[])[SharingPolicy.RoundRobinByTransaction, SharingPolicy.RoundRobinByPass, SharingPolicy.DeficitRoundRobin, SharingPolicy.Weighted])
        {
            foreach (AddressAssignment assignment in Enum.GetValues<AddressAssignment>())
                ReadAll(guests: 3, new() { Policy = policy, Addresses = new() { Assignment = assignment } });
        }
    }

    private static void ReadAll(int guests, SharedEhciOptions options)
    {
        using SharedComputer machine = new(guests, options);
        byte[][] contents = [.. Enumerable.Range(0, guests).Select(number => DiskReader.Content(sectors: 100 + number))];
        for (int number = 0; number < guests; number++)
            machine.Controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                return await Task.WhenAll(Enumerable.Range(0, guests).Select(number => Read(machine, number)));
            },
            PatienceNs);
        Assert.Equal(contents, found);
        Assert.Equal(0ul, machine.Host.Faults.Total);
        Assert.Equal((ulong)guests, machine.Controller.Addresses!.Assigned);
        Assert.Equal(options.Addresses.Assignment == AddressAssignment.Software ? (ulong)guests : 0, machine.Sharing.AddressesChosen);
    }

    private static async Task<byte[]> Read(SharedComputer machine, int number)
    {
        PciDevice device = await machine.Open(number);
        return await DiskReader.ReadAll(device, number + 1);
    }
}
