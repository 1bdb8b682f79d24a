using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host whose one USB controller is shared between guests: each has a register set and the root port of the same number.</summary>
internal sealed class SharedComputer : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const int ManagementPlace = 1;
    private static readonly SourceId s_place = new(0, 2, 0);

    private readonly List<VirtualMachine> _guests = [];

    public SharedComputer(int guests, SharedEhciOptions? options = null, Func<IDmaFabric, IDmaFabric>? watch = null)
    {
        Host = new(new() { MemoryBytes = (uint)(32 + (8 * guests)) * MiB, VmmBytes = 16 * MiB, Watch = watch });
        Controller = new(Host.Loop, (options ?? new()) with { SetCount = guests, RootPortCount = guests });
        Controller.PlugInto(Host.Pci, ManagementPlace);
        Host.Boot();
        for (int number = 0; number < guests; number++)
            _guests.Add(Host.CreateMachine($"VM {number}", 4 * MiB));
    }

    public Host Host { get; }

    public SharedEhciController Controller { get; }

    public IReadOnlyList<VirtualMachine> Guests => _guests;

    /// <summary>What the VMM drives the controller by, once <see cref="Start"/> was called.</summary>
    public SharedUsbController Sharing { get; private set; } = null!;

    /// <summary>The VMM takes the management function over.</summary>
    public async Task Start()
    {
        SharedUsbController? sharing = await SharedUsbController.Start(Host, new(0, ManagementPlace, 0));
        Assert.NotNull(sharing);
        Sharing = sharing;
    }

    /// <summary>A guest gets its register set and port, and finds the device as any guest does.</summary>
    public async Task<PciDevice> Open(int number)
    {
        VirtualMachine guest = _guests[number];
        Assert.Equal(AssignmentResult.Done, await Sharing.Give(number, guest, s_place, number + 1));
        return await GuestOfOneDevice.Open(guest);
    }

    public void Dispose() => Host.Dispose();
}
