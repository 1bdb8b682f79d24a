using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>Many virtual machines on one host, each with an EHCI controller and a disk of its own.</summary>
public sealed class Fleet : IDisposable
{
    private const ulong MachineBytes = 16 << 20;
    private const ulong KernelBytes = 1 << 20;
    private const byte Vector = 0x40;

    private readonly Host _host;
    private readonly List<byte[]> _disks = [];

    /// <summary>Machines with their controllers assigned; no guest software has run.</summary>
    /// <param name="machines">How many, at most <see cref="MachineFarm.MachinesMax"/>.</param>
    /// <param name="diskBytes">Bytes of each disk, a multiple of 512.</param>
    public Fleet(int machines, int diskBytes)
    {
        HostOptions options = new() { MemoryBytes = (ulong)(machines + 32) * MachineBytes, VmmBytes = 8 * MachineBytes };
        _host = MachineFarm.Build(options, machines, MachineBytes, (host, number) =>
        {
            byte[] content = new byte[diskBytes];
            new Random(number).NextBytes(content);
            _disks.Add(content);
            EhciController controller = new(host.Loop);
            controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
            return controller;
        });
    }

    /// <summary>Runs the drivers of all guests at the same time, until each has read its disk; they stay up.</summary>
    /// <exception cref="InvalidOperationException">A guest read anything else than its own disk.</exception>
    public void Run() => _host.Loop.Run(() => Task.WhenAll(_host.Machines.Select(machine => ReadDisk(machine.Cpu, _disks[machine.Number]))));

    /// <inheritdoc/>
    public void Dispose() => _host.Dispose();

    private static async Task ReadDisk(GuestCpu cpu, byte[] content)
    {
        FrameAllocator frames = new(new(KernelBytes), MachineBytes - KernelBytes);
        ParavirtualDmaSpace dma = new(cpu, frames, cpu, MachineFarm.GuestPlace);
        PciDevice device = PciDevice.Open(cpu, new PciConfigurationPorts(cpu), MachineFarm.GuestPlace, dma, Vector);
        EhciDriver controller = await EhciDriver.Start(device);
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(controller, port: 1));

        MemoryBuffer buffer = dma.Allocate(content.Length);
        await disk.Read(0, buffer);
        byte[] found = new byte[buffer.Length];
        buffer.Read(0, found);
        if (!found.AsSpan().SequenceEqual(content))
            throw new InvalidOperationException($"{cpu.Processor.Name} did not read its own disk.");
    }
}
