using Dma.Drivers;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A service VM has the controller, and others reach their devices through it.</summary>
public sealed class ServiceVmTests
{
    private const int DiskBytes = 128 * 1024;

    public static TheoryData<string, ServiceTransport, bool> Ways
    {
        get
        {
            TheoryData<string, ServiceTransport, bool> ways = [];
            foreach (string controller in UsbControllers.Names)
            {
                foreach (ServiceTransport transport in Enum.GetValues<ServiceTransport>())
                {
                    ways.Add(controller, transport, true);
                    ways.Add(controller, transport, false);
                }
            }

            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Each_VM_reads_its_own_disk_and_only_where_grants_are_copied_is_a_byte_copied(string controller, ServiceTransport transport, bool isMapped)
    {
        using ServiceMachine machine = new(new()
        {
            Controller = controller,
            Service = new() { Transport = transport },
            BackEnd = new() { CopiedBytesMax = isMapped ? 0 : int.MaxValue },
        });
        byte[][] contents = [.. Enumerable.Range(0, 2).Select(Content)];
        for (int guest = 0; guest < 2; guest++)
            machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(contents[guest])));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            Task<byte[]>[] reads = [.. Enumerable.Range(0, 2).Select(guest => Read(machine, guest))];
            for (int guest = 0; guest < 2; guest++)
                Assert.Equal(contents[guest], await reads[guest]);
        });
        ServiceCounts counts = machine.Service.Counts;
        Assert.Equal(isMapped ? 0ul : 1ul, counts.BytesCopied / (2 * DiskBytes));
        Assert.Equal(isMapped, counts.PagesMapped >= 2 * DiskBytes / 4096);
        AssertNothingIsLeft(machine);
    }

    private static async Task<byte[]> Read(ServiceMachine machine, int guest) => await DiskReader.ReadAll(await machine.StartGuest(guest));

    private static void AssertNothingIsLeft(ServiceMachine machine)
    {
        Assert.All(machine.Guests, guest =>
        {
            Assert.Equal((0, 0ul), (guest.Grants.InUse, guest.PinnedPages));
            Assert.Equal(0, machine.Service.PagesMappedOf(guest));
        });
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[DiskBytes];
        new Random(seed).NextBytes(content);
        return content;
    }
}
