using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One policy in a host of its own: a guest's drivers do the work, and then the device lies.</summary>
/// <param name="options">The work and the bounds.</param>
/// <param name="policy">The policy.</param>
internal sealed class PolicyRun(PolicyComparisonOptions options, MappingPolicy policy)
{
    private const ulong MiB = 1 << 20;
    private const ulong HostBytes = 128 * MiB;
    private const ulong GuestBytes = 16 * MiB;
    private const int ControllerPlace = 0x1D;
    private const byte Vector = 0x40;
    private static readonly SourceId _place = new(0, 4, 0);

    /// <summary>Runs it.</summary>
    /// <exception cref="DriverException">The guest's drivers could not do the work.</exception>
    public PolicyLine Run()
    {
        using Host host = new(new()
        {
            MemoryBytes = HostBytes,
            Profile = options.Profile,
            Seed = options.Seed,
            AllowsUntranslated = options.AllowsUntranslated,
        });
        PolicyWork work = new(options, host.RandomFor("bytes of the disk and of memory"));
        UsbController controller = UsbControllers.Create(options.Controller, host.Loop);
        UsbSpeed speed = options.Controller == UsbControllers.Xhci ? UsbSpeed.Super : UsbSpeed.High;
        UsbPort port = controller.FreePortFor(speed) ?? throw new InvalidOperationException("A controller without devices has no port left.");
        port.Plug(new MassStorageDevice(new MemoryDiskImage(work.Content, isWritable: true), speed: speed));
        host.Pci.Add(controller.Function, ControllerPlace);
        host.Boot();
        return host.Loop.Run(() => Play(host, controller, port, work));
    }

    private async Task<PolicyLine> Play(Host host, UsbController controller, UsbPort port, PolicyWork work)
    {
        VirtualMachine machine = host.CreateMachine("VM 1", GuestBytes);
        VirtualMachine other = host.CreateMachine("VM 2", MiB);
        machine.Mapping = options.Of(policy);
        Assignment assignment = host.AssignmentOf(controller.Function.Source);
        AssignmentResult assigned = await assignment.Assign(machine, _place);
        if (!assigned.IsDone)
            return new(PolicyNames.Of(policy), assigned.Reason, null);

        // The guest finds its device; its HAL has the DMA API of the policy, which is all that differs.
        GuestCpu cpu = machine.Cpu;
        SourceId handle = new((ushort)(await cpu.Call(Hypercall.FindDevice)).Value);
        IDmaSpace dma = GuestDma.Create(machine.Mapping, cpu, new(new(MiB), GuestBytes - MiB), cpu, handle);
        IUsbHostController usb = await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), handle, dma, Vector));
        UsbPort[] ports = [.. controller.Buses.SelectMany(bus => bus.Bus.Ports)];
        UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(usb, 1 + Array.IndexOf(ports, port));
        MassStorageDriver disk = await MassStorageDriver.Start(device);

        PolicyMeter meter = new(host, machine);
        meter.Start();
        await work.Run(disk, dma);
        PolicyFigures figures = meter.Stop(options, work);
        LyingDevice liar = new(host, machine, host.Unit.Open(controller.Function.Source), dma);
        figures = figures with { Attack = await Attack(liar, work, disk, dma), Reach = liar.FindReach(other) };

        await disk.Stop();
        await device.Release();
        await usb.Stop();
        AssignmentResult taken = await assignment.TakeBack();
        return taken.IsDone && machine.PinnedPages == 0
            ? new(PolicyNames.Of(policy), null, figures)
            : throw new InvalidOperationException($"After {policy}, {machine.PinnedPages} pages are still pinned.");
    }

    // The guest goes on with its work meanwhile: what it unmaps fills batches, and time passes.
    private async ValueTask<PolicyAttack> Attack(LyingDevice liar, PolicyWork work, MassStorageDriver disk, IDmaSpace dma)
    {
        bool isEnough = false;
        Task going = work.GoOn(disk, dma, () => isEnough);
        try
        {
            return await liar.Attack(options);
        }
        finally
        {
            isEnough = true;
            await going;
        }
    }
}
