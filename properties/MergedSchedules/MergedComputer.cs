using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host whose one USB controller runs the merged schedules of guests: each has the root port of the same number.</summary>
internal sealed class MergedComputer : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const byte Vector = 0x40;
    private static readonly SourceId s_controller = new(0, 2, 0);
    private static readonly SourceId s_place = new(0, 3, 0);

    private readonly List<VirtualMachine> _guests = [];

    /// <summary>A host that was booted, with guests that have nothing yet.</summary>
    /// <param name="guests">How many.</param>
    /// <param name="method">Who is to merge: hardware is there for it where it is.</param>
    /// <param name="engine">How that is built.</param>
    /// <param name="watch">What sees the requests of devices; null for nothing.</param>
    public MergedComputer(int guests, MergeMethod method = MergeMethod.Software, MergingEhciOptions? engine = null, Func<IDmaFabric, IDmaFabric>? watch = null)
    {
        Method = method;
        Host = new(new() { MemoryBytes = (uint)(32 + (4 * guests)) * MiB, VmmBytes = 16 * MiB, Watch = watch });
        EhciOptions options = new() { PortCount = Math.Max(guests, 2) };
        if (method == MergeMethod.Hardware)
        {
            Engine = new(Host.Loop, (engine ?? new()) with { Controller = options, SlotCount = Math.Max(guests, 2) });
            Engine.PlugInto(Host.Pci, s_controller.Device);
            Controller = Engine;
        }
        else
        {
            Controller = new EhciController(Host.Loop, options);
            Host.Pci.Add(Controller, s_controller.Device);
        }

        Host.Boot();
        for (int number = 0; number < guests; number++)
            _guests.Add(Host.CreateMachine($"VM {number}", 4 * MiB));
    }

    public Host Host { get; }

    public EhciFunction Controller { get; }

    /// <summary>The controller, where it has a merge engine.</summary>
    public MergingEhciController? Engine { get; }

    public MergeMethod Method { get; }

    public IReadOnlyList<VirtualMachine> Guests => _guests;

    /// <summary>Who merges, once <see cref="Start"/> was called.</summary>
    public MergedUsbController Sharing { get; private set; } = null!;

    /// <summary>The VMM takes the controller over.</summary>
    public async Task Start(MergeOptions? options = null)
    {
        MergedUsbController? sharing = await MergedUsbController.Start(Host, s_controller, (options ?? new()) with { Method = Method });
        Assert.NotNull(sharing);
        Sharing = sharing;
    }

    /// <summary>A guest gets a virtual controller, and finds it as any guest does that knows nothing of a VMM.</summary>
    public async Task<PciDevice> Open(int number)
    {
        Assert.Equal(AssignmentResult.Done, await Sharing.Give(_guests[number], s_place, number + 1));
        return Find(number);
    }

    /// <summary>The controller that a guest has, as its software finds it.</summary>
    public PciDevice Find(int number)
    {
        GuestCpu cpu = _guests[number].Cpu;
        return PciDevice.Open(cpu, new PciConfigurationPorts(cpu), s_place, new IdentityDmaSpace(cpu, new(new(MiB), 3 * MiB)), Vector);
    }

    /// <summary>A guest gets the whole controller for itself, without anybody to share it with.</summary>
    public async Task<PciDevice> OpenAlone(int number)
    {
        Assert.Equal(AssignmentResult.Done, await Host.AssignmentOf(s_controller).Assign(_guests[number], s_place));
        return await GuestOfOneDevice.Open(_guests[number]);
    }

    public void Dispose() => Host.Dispose();
}
