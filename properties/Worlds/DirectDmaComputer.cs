using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host whose USB controller, with a disk, is assigned to one of two guests.</summary>
internal sealed class DirectDmaComputer : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const byte Vector = 0x40;
    private static readonly SourceId _place = new(0, 2, 0);

    private readonly EhciController? _ehci;

    public DirectDmaComputer(string profile, byte[]? content, BusTrace? trace = null, bool isXhci = false, bool allowsUntranslated = false)
        : this(HardwareProfile.Named(profile), content, trace, isXhci, allowsUntranslated: allowsUntranslated)
    {
    }

    public DirectDmaComputer(HardwareProfile profile, byte[]? content, BusTrace? trace = null, bool isXhci = false, Action? beforeWrite = null, bool allowsUntranslated = false, bool scalable = false)
    {
        Host = new(new() { MemoryBytes = 128 * MiB, VmmBytes = 16 * MiB, Profile = profile, Trace = trace, BeforeWrite = beforeWrite, AllowsUntranslated = allowsUntranslated, Scalable = scalable });
        PciFunction function = isXhci ? new XhciController(Host.Loop) : new EhciController(Host.Loop);
        _ehci = function as EhciController;
        Ports = _ehci?.Usb.Ports ?? ((XhciController)function).Ports;
        if (content is not null)
            Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        Host.Pci.Add(function, 0x1D);
        Host.Boot();
        Other = Host.CreateMachine("other", 2 * MiB);
        Guest = Host.CreateMachine("guest", 16 * MiB);
        Assignment = Host.AssignmentOf(function.Source);
    }

    public Host Host { get; }

    public EhciController Controller => _ehci ?? throw new InvalidOperationException("The controller is no EHCI controller.");

    /// <summary>The ports of the controller, whichever it is.</summary>
    public IReadOnlyList<UsbPort> Ports { get; }

    public VirtualMachine Guest { get; }

    public VirtualMachine Other { get; }

    public Assignment Assignment { get; }

    /// <summary>The guest gets the controller and finds it as any guest does.</summary>
    public async Task<(PciDevice Device, ParavirtualDmaSpace Dma)> Open()
    {
        (PciDevice device, IDmaSpace dma) = await Open(MappingOptions.Strict);
        return (device, (ParavirtualDmaSpace)dma);
    }

    /// <summary>The same, with the DMA API of a policy; the VM must have that policy.</summary>
    public async Task<(PciDevice Device, IDmaSpace Dma)> Open(MappingOptions options)
    {
        Assert.Equal(AssignmentResult.Done, await Assignment.Assign(Guest, _place));
        HypercallResult found = await Guest.Cpu.Call(Hypercall.FindDevice);
        Assert.Equal(DmaRefusal.None, found.Refusal);
        SourceId handle = new((ushort)found.Value);
        IDmaSpace dma = GuestDma.Create(options, Guest.Cpu, new(new(MiB), 15 * MiB), Guest.Cpu, handle);
        return (PciDevice.Open(Guest.Cpu, new PciConfigurationPorts(Guest.Cpu), handle, dma, Vector), dma);
    }

    /// <summary>The guest reads the whole disk through its device.</summary>
    public async Task<byte[]> ReadDisk()
    {
        (PciDevice device, ParavirtualDmaSpace dma) = await Open();
        byte[] content = await DiskReader.ReadAll(device);
        Assert.Equal(0, dma.MappingsLive);
        Assert.Equal(0, Assignment.Mappings!.Count);
        return content;
    }

    public void Dispose() => Host.Dispose();
}
