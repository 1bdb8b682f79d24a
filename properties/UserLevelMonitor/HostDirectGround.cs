using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The controller is modelled by a process of the host.</summary>
internal sealed class HostDirectGround : IDirectGround
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId s_place = new(0, 4, 0);

    private readonly EhciController _controller;
    private readonly EhciController _modelled;
    private EmulatedUsbController _emulated = null!;
    private HostUsbDevice _device = null!;

    public HostDirectGround()
    {
        Host = new(new() { MemoryBytes = 16 * MiB, VmmBytes = 4 * MiB });
        (_controller, _modelled) = (new(Host.Loop), new(Host.Loop));
        Host.Pci.Add(_controller, 0x1D);
        Host.Boot();
        Guest = Host.CreateMachine("VM 1", 4 * MiB);
    }

    public Host Host { get; }

    public VirtualMachine Guest { get; }

    public UserLevelMonitor Monitor { get; private set; } = null!;

    /// <summary>The controller forgets those who use memory for it, and does not wait for them.</summary>
    public void Hasten() => _modelled.Usb.Leaving = 0;

    public async Task Start(IUsbDevice device)
    {
        _controller.Usb.Ports[0].Plug(device);
        HostUsbStack stack = new(Host, _controller.Source);
        await stack.Start();
        Monitor = new(Guest, new() { IsZeroCopy = true });
        _emulated = new(Guest, _modelled, s_place, monitor: Monitor);
        _device = new(stack, port: 1);
        Assert.True(await _device.LogIn() && await new UsbDeviceAssignment(_device).Assign(_emulated));
    }

    public async Task<IUsbHostController> StartGuest()
    {
        IdentityDmaSpace memory = new(Guest.Cpu, new(new(MiB), 3 * MiB));
        return await UsbHostControllers.Start(PciDevice.Open(Guest.Cpu, new PciConfigurationPorts(Guest.Cpu), s_place, memory, 0x41));
    }

    public ValueTask Detach() => _emulated.Detach(_device);

    public ValueTask Crash() => Monitor.Kill();

    public Task CheckOthers() => Task.CompletedTask;

    public void Dispose() => Host.Dispose();
}
