using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Builds the computer of a world, and takes away the protections that its program does without.</summary>
internal static class WorldBuilder
{
    private const ulong HostBytes = 6 << 20;
    private const ulong VmmBytes = (1 << 20) + (768 << 10);
    private const int DiskBytes = 16 * 512;
    private const int AccessControl = 6;
    private const ulong EduTransferNs = 20_000;

    /// <summary>A computer that is switched off, with nothing plugged in.</summary>
    public static Host Build(WorldProgram program, AccessMonitor monitor)
    {
        Host host = new(new()
        {
            MemoryBytes = HostBytes,
            VmmBytes = VmmBytes,
            Profile = HardwareProfile.Named(program.Profile),
            Seed = program.Seed,
            Scalable = program.Scalable,
            Delivery = program.Delivery,
            KeepsGroupsTogether = !program.Without.Contains(Protection.Groups),
            RemapInterrupts = !program.Without.Contains(Protection.InterruptRemapping),
            Watch = monitor.Watch,
            WatchInterrupts = monitor.Watch,
        });
        bool isDeaf = program.Without.Contains(Protection.Invalidation);
        if (isDeaf || program.Without.Contains(Protection.Flush))
        {
            PhysicalAddress registers = new(MemoryLayout.RemappingUnit);
            host.Bus.RemoveWindow(registers, host.Unit);
            host.Bus.AddWindow(registers, (ulong)host.Unit.WindowLength, new DeafUnit(host.Unit, host.Memory, () => isDeaf || monitor.IsLater));
        }

        return host;
    }

    /// <summary>Makes the devices and plugs them in. Those that may lie about who they are, or cannot reset themselves, are behind a port each.</summary>
    public static IReadOnlyList<(string Name, PciFunction Function)> Plug(WorldProgram program, Host host)
    {
        List<(string Name, PciFunction Function)> devices = [];
        IEnumerable<WorldDeviceSpec> all = program.HasWitness ? program.Devices.Append(new(ProgramNames.Witness, WorldDeviceKind.Probe)) : program.Devices;
        foreach ((int index, WorldDeviceSpec spec) in all.Index())
        {
            PciFunction function = Create(spec.Kind, host, forgets: !program.Without.Contains(Protection.Reset));
            if (devices.FindIndex(other => other.Name == spec.Beside) is >= 0 and int beside)
            {
                PciBus bus = devices[beside].Function.Bus!;
                bus.Add(function, device: 0, functionNumber: bus.Functions.Count());
            }
            else if (spec.Kind is WorldDeviceKind.Probe or WorldDeviceKind.Edu)
            {
                PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
                port.Secondary.Add(function, device: 0);
                host.Pci.Add(port, index + 1);
            }
            else
            {
                host.Pci.Add(function, index + 1);
            }

            devices.Add((spec.Name, function));
        }

        return devices;
    }

    /// <summary>Notes what firmware and VMM decided about the devices, and takes away the protections that are there only now.</summary>
    public static IReadOnlyList<WorldDevice> Finish(WorldProgram program, Host host, IReadOnlyList<(string Name, PciFunction Function)> functions)
    {
        List<WorldDevice> devices = [];
        foreach ((string name, PciFunction function) in functions)
        {
            devices.Add(new(devices.Count, name, function, host.AssignmentOf(function.Source))
            {
                Bar = host.Pci.ReadConfiguration(function.Source, PciOffset.Bar0, 4) & ~0xFul,
            });
            if (program.Without.Contains(Protection.SourceValidation) && function.Bus!.Bridge is { AccessControl: { } control } port)
                host.Configuration.Open(port.Source).Write16(control.Offset + AccessControl, 0);
        }

        return devices;
    }

    private static PciFunction Create(WorldDeviceKind kind, Host host, bool forgets)
    {
        switch (kind)
        {
            case WorldDeviceKind.Ehci:
                EhciController ehci = new(host.Loop);
                ehci.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(Disk())));
                ehci.Usb.Ports[1].Plug(new KeyboardDevice(host.Loop, UsbSpeed.High));
                return ehci;
            case WorldDeviceKind.Xhci:
                XhciController xhci = new(host.Loop);
                xhci.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(Disk())));
                xhci.Ports[1].Plug(new KeyboardDevice(host.Loop, UsbSpeed.High));
                return xhci;
            case WorldDeviceKind.Edu:
                return new EduDevice(host.Loop, new() { DmaMask = ulong.MaxValue, TransferNs = EduTransferNs });
            default:
                return new ProbeDevice(forgets);
        }
    }

    private static byte[] Disk()
    {
        byte[] disk = new byte[DiskBytes];
        Array.Fill(disk, (byte)0xD1);
        return disk;
    }
}
