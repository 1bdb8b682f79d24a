using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>Microframes of a controller that runs the merged schedules of several VMs, beside a loop on which one event happens in each.</summary>
/// <remarks>Idle, each VM has started its virtual controller and asks nothing of it. Loaded, each that has a port reads its disk all the time: together they fill the bus.</remarks>
public sealed class MergedMicroframeWorkload : Workload
{
    private const ulong MicroframeNs = 125_000;
    private const ulong GuestBytes = 4 << 20;
    private const ulong KernelBytes = 1 << 20;
    private const ulong VmmBytes = 64 << 20;
    private const int DiskBytes = 64 * 1024;
    private const int ReadBytes = 16 * 1024;
    private const int ControllerPlace = 2;
    private const int PortsMax = 15;
    private const byte Vector = 0x40;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly Host _host;
    private readonly EventLoop _empty = new();
    private readonly ScheduledEvent _turn;
    private readonly ulong[] _reads;

    /// <summary>A controller that so many VMs share.</summary>
    /// <param name="vms">How many, 1 to <see cref="MergedUsbController.MachinesMax"/>; the first 15 have a port each.</param>
    /// <param name="isLoaded">Whether those with a port have work for it.</param>
    /// <param name="method">Who merges.</param>
    public MergedMicroframeWorkload(int vms, bool isLoaded, MergeMethod method)
    {
        _turn = new(Turn);
        Turn();
        _reads = new ulong[isLoaded ? Math.Min(vms, PortsMax) : 0];
        _host = new(new() { MemoryBytes = (2 * VmmBytes) + ((ulong)vms * GuestBytes), VmmBytes = VmmBytes, Profile = HardwareProfile.Named("friendly") });
        EhciFunction controller = Create(new() { PortCount = Math.Min(vms, PortsMax) }, vms, method);
        foreach (UsbPort port in controller.Usb.Ports)
            port.Plug(new MassStorageDevice(new MemoryDiskImage(new byte[DiskBytes])));
        _host.Boot();
        _host.Loop.Run(() => Start(controller, vms, method));
    }

    /// <summary>What so many VMs do when they are loaded: a controller has no more than 15 ports.</summary>
    public static string LoadOf(int vms) => vms <= PortsMax ? "loaded" : $"{PortsMax} loaded";

    /// <inheritdoc/>
    public override ulong Baseline() => Run(_empty);

    /// <inheritdoc/>
    public override ulong Simulator() => Run(_host.Loop);

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        const int Batches = 8;
        ulong[] before = [.. _reads];
        for (int batch = 0; batch < Batches; batch++)
        {
            if (Compare((ulong)batch, Baseline(), Simulator()) is { } difference)
                return difference;
        }

        int idle = Enumerable.Range(1, _reads.Length).FirstOrDefault(number => _reads[number - 1] == before[number - 1]);
        return idle == 0 ? null : $"VM {idle} does not get on.";
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _host.Dispose();
    }

    private static ulong Run(EventLoop loop)
    {
        ulong start = loop.NowNs;
        loop.RunFor(OperationsPerBatch * MicroframeNs);
        return (loop.NowNs - start) / MicroframeNs;
    }

    private EhciFunction Create(EhciOptions options, int vms, MergeMethod method)
    {
        if (method == MergeMethod.Hardware)
        {
            MergingEhciController merging = new(_host.Loop, new() { Controller = options, SlotCount = vms });
            merging.PlugInto(_host.Pci, ControllerPlace);
            return merging;
        }

        EhciController controller = new(_host.Loop, options);
        _host.Pci.Add(controller, ControllerPlace);
        return controller;
    }

    private async Task Start(EhciFunction controller, int vms, MergeMethod method)
    {
        MergedUsbController merged = await MergedUsbController.Start(_host, controller.Source, new() { Method = method })
            ?? throw new InvalidOperationException("The controller's schedules cannot be merged.");
        for (int number = 0; number < vms; number++)
        {
            VirtualMachine vm = _host.CreateMachine($"VM {number + 1}", GuestBytes);
            AssignmentResult result = await merged.Give(vm, _place, number < PortsMax ? [number + 1] : []);
            if (!result.IsDone)
                throw new InvalidOperationException($"{vm.Name} gets no virtual controller: {result.Reason}.");
            IdentityDmaSpace dma = new(vm.Cpu, new(new GuestPhysicalAddress(KernelBytes), GuestBytes - KernelBytes));
            EhciDriver driver = await EhciDriver.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), _place, dma, Vector));
            if (number >= _reads.Length)
                continue;
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(driver, number + 1));
            int own = number;
            _host.Loop.Start(() => Read(disk, driver.Memory.Allocate(ReadBytes), own));
        }
    }

    private async Task Read(MassStorageDriver disk, MemoryBuffer buffer, int number)
    {
        while (true)
        {
            await disk.Read(0, buffer);
            _reads[number]++;
        }
    }

    private void Turn() => _empty.Schedule(MicroframeNs, _turn);
}
