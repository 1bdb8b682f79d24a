using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A service VM in which a user-level monitor runs, with a device of its own whose requests go through a domain.</summary>
internal sealed class MonitorService
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly Host _host;
    private readonly ServiceVmOptions _options;
    private readonly EhciController _controller;
    private Vmm.ServiceVm _service = null!;

    /// <summary>Plugs its device in, before the host is switched on.</summary>
    public MonitorService(Host host, ServiceVmOptions options)
    {
        (_host, _options, _controller) = (host, options, new(host.Loop));
        host.Pci.Add(_controller, 3);
    }

    /// <summary>The pseudo-device driver in its kernel.</summary>
    public WindowDriver Driver { get; private set; } = null!;

    /// <summary>Starts it; it models devices of a VM.</summary>
    public FakeHostUsb Start(VirtualMachine guest) => _host.Loop.Run(() => StartAgain(guest));

    /// <inheritdoc cref="Start"/>
    public async Task<FakeHostUsb> StartAgain(VirtualMachine guest)
    {
        VirtualMachine machine = _host.CreateMachine("service VM", 2 * MiB);
        Assert.True((await _host.AssignmentOf(_controller.Source).Assign(machine, _place)).IsDone);
        _service = new(machine, _options);
        Assert.Equal(0, _service.Model(guest));
        Driver = await WindowDriver.Start(_service, 0x60);
        return new FakeServiceUsb(machine, _host.AssignmentOf(_controller.Source).Domain!, () => _service.WindowOf(guest).Mapped);
    }

    /// <summary>It crashes.</summary>
    public ValueTask Crash() => _host.Destroy(_service.Machine);
}
