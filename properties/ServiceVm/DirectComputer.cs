using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A guest that has a controller for itself, without anybody in between.</summary>
internal sealed class DirectComputer : IDisposable
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly UsbController _controller;

    public DirectComputer(string controller)
    {
        Host = new(new() { MemoryBytes = 16 * MiB, VmmBytes = 4 * MiB });
        _controller = UsbControllers.Create(controller, Host.Loop);
        Host.Pci.Add(_controller.Function, 2);
        Host.Boot();
        Machine = Host.CreateMachine("VM 1", 8 * MiB);
        Machine.Mapping = new() { Policy = MappingPolicy.Static };
    }

    public Host Host { get; }

    public VirtualMachine Machine { get; }

    /// <summary>Where a device goes.</summary>
    public UsbPort Socket => _controller.FreePortFor(UsbSpeed.High)!;

    /// <summary>Gives the guest the controller.</summary>
    public async Task<IDevice> Open()
    {
        Assert.True((await Host.AssignmentOf(_controller.Function.Source).Assign(Machine, _place)).IsDone);
        FrameAllocator frames = new(new(MiB), 7 * MiB);
        return PciDevice.Open(Machine.Cpu, new PciConfigurationPorts(Machine.Cpu), _place, new IdentityDmaSpace(Machine.Cpu, frames), 0x41);
    }

    public void Dispose() => Host.Dispose();
}
