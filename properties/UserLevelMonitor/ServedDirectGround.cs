using Dma.Drivers;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The controller is modelled by a process of a service VM, which models another one for a guest that reads its disk.</summary>
internal sealed class ServedDirectGround : IDirectGround
{
    private const int DiskBytes = 16 * 1024;

    private readonly ServiceMachine _machine = new(new()
    {
        Vms = 2,
        VmmBytes = 8 << 20,
        Devices = ServedDevices.Model,
        Monitor = new() { IsZeroCopy = true },
    });

    private readonly byte[] _content = DiskReader.Content(DiskBytes / 512);
    private IUsbHostController _other = null!;

    public Host Host => _machine.Host;

    public VirtualMachine Guest => _machine.Guests[0];

    public UserLevelMonitor Monitor => _machine.Monitors[0];

    public async Task Start(IUsbDevice device)
    {
        _machine.Plug(0, device);
        _machine.Plug(1, new MassStorageDevice(new MemoryDiskImage(_content)));
        await _machine.StartService();
        _other = await _machine.StartGuest(1);
    }

    public async Task<IUsbHostController> StartGuest() => await _machine.StartGuest(0);

    public ValueTask Detach() => _machine.Detach(0, _machine.Devices[0]);

    public ValueTask Crash() => _machine.CrashService();

    public async Task CheckOthers()
    {
        if (_machine.Service.Machine.IsRunning)
            Assert.Equal(_content, await DiskReader.ReadAll(_other));
    }

    public void Dispose() => _machine.Dispose();
}
