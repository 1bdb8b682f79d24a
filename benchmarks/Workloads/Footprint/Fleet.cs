using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>Many virtual machines on one host, each with an EHCI controller and a disk of its own.</summary>
/// <remarks>
/// <code>
/// bus 0:  root port 0 ... root port 31       each of them with a bus of up to 32 controllers
/// </code>
/// </remarks>
public sealed class Fleet : IDisposable
{
    /// <summary>How many machines one host has places for.</summary>
    public const int MachinesMax = DevicesPerBus * DevicesPerBus;

    private const int DevicesPerBus = 32;
    private const ulong MachineBytes = 16 << 20;
    private const ulong KernelBytes = 1 << 20;
    private const byte Vector = 0x40;
    private static readonly SourceId s_place = new(0, 4, 0);

    private readonly Host _host;
    private readonly List<Guest> _guests = [];

    /// <summary>Machines with their controllers assigned; no guest software has run.</summary>
    /// <param name="machines">How many, at most <see cref="MachinesMax"/>.</param>
    /// <param name="diskBytes">Bytes of each disk, a multiple of 512.</param>
    public Fleet(int machines, int diskBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(machines, MachinesMax);
        _host = new(new HostOptions { MemoryBytes = (ulong)(machines + 32) * MachineBytes, VmmBytes = 8 * MachineBytes });
        PciBridge? port = null;
        for (int number = 0; number < machines; number++)
        {
            if (number % DevicesPerBus == 0)
            {
                port = new(0x8086, 0x3420);
                _host.Pci.Add(port, number / DevicesPerBus);
            }

            byte[] content = new byte[diskBytes];
            new Random(number).NextBytes(content);
            EhciController controller = new(_host.Loop);
            controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
            port!.Secondary.Add(controller, number % DevicesPerBus);
            _guests.Add(new(_host.CreateMachine($"{number}", MachineBytes), controller, content));
        }

        _host.Boot();
        _host.Loop.Run(Assign);
    }

    /// <summary>Runs the drivers of all guests at the same time, until each has read its disk; they stay up.</summary>
    /// <exception cref="InvalidOperationException">A guest read anything else than its own disk.</exception>
    public void Run() => _host.Loop.Run(() => Task.WhenAll(_guests.Select(ReadDisk)));

    /// <inheritdoc/>
    public void Dispose() => _host.Dispose();

    private async Task Assign()
    {
        foreach (Guest guest in _guests)
        {
            AssignmentResult result = await _host.AssignmentOf(guest.Controller.Source).Assign(guest.Machine, s_place);
            if (!result.IsDone)
                throw new InvalidOperationException($"VM {guest.Machine} does not get its controller: {result.Reason}.");
        }
    }

    private static async Task ReadDisk(Guest guest)
    {
        GuestCpu cpu = guest.Machine.Cpu;
        FrameAllocator frames = new(new(KernelBytes), MachineBytes - KernelBytes);
        ParavirtualDmaSpace dma = new(cpu, frames, cpu, s_place);
        PciDevice device = PciDevice.Open(cpu, new PciConfigurationPorts(cpu), s_place, dma, Vector);
        EhciDriver controller = await EhciDriver.Start(device);
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(controller, port: 1));

        MemoryBuffer buffer = dma.Allocate(guest.Disk.Length);
        await disk.Read(0, buffer);
        byte[] found = new byte[buffer.Length];
        buffer.Read(0, found);
        if (!found.AsSpan().SequenceEqual(guest.Disk))
            throw new InvalidOperationException($"VM {guest.Machine} did not read its own disk.");
    }

    private sealed record Guest(VirtualMachine Machine, EhciController Controller, byte[] Disk);
}
