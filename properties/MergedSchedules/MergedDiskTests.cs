using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Guests with unmodified drivers read and write their disks behind one controller that runs their merged schedules.</summary>
public sealed class MergedDiskTests
{
    private const ulong PatienceNs = 60_000_000_000;

    [Theory]
    [InlineData(MergeMethod.Software, DiscoveryMethod.Scan)]
    [InlineData(MergeMethod.Software, DiscoveryMethod.WriteProtection)]
    [InlineData(MergeMethod.Hardware, DiscoveryMethod.Scan)]
    public void Each_guest_reads_and_writes_its_own_disk(MergeMethod method, DiscoveryMethod discovery)
    {
        using MergedComputer machine = new(3, method);
        byte[][] contents = [.. Enumerable.Range(0, 3).Select(number => DiskReader.Content(sectors: 100 + number))];
        for (int number = 0; number < 3; number++)
            machine.Controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = discovery });
                return await Task.WhenAll(Enumerable.Range(0, 3).Select(async number => await DiskReader.ReadAll(await machine.Open(number), number + 1)));
            },
            PatienceNs);
        Assert.Equal(contents, found);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }
}
