using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A host full of virtual machines with a device each: what is measured when the question is how many fit.</summary>
public static class MachineFarm
{
    private const int DevicesPerPort = 32;
    private const int PortsPerDevice = 8;

    /// <summary>The most machines: each root port has a bus of its own, and there are 255 beside bus 0; device 0 is left free.</summary>
    public const int MachinesMax = 31 * PortsPerDevice * DevicesPerPort;

    /// <summary>Where each guest finds its device.</summary>
    public static SourceId GuestPlace => new(0, 1, 0);

    /// <summary>Builds and boots a host, and gives each machine its device; the devices stand behind root ports, 32 behind each.</summary>
    /// <param name="options">The host; its memory must do for all.</param>
    /// <param name="machines">How many, 1 to <see cref="MachinesMax"/>.</param>
    /// <param name="bytes">Bytes of memory of each.</param>
    /// <param name="device">Makes the device of a machine; it must be able to reset itself.</param>
    /// <exception cref="InvalidOperationException">Not all of it fits; the text says why.</exception>
    public static Host Build(HostOptions options, int machines, ulong bytes, Func<Host, int, PciFunction> device)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)machines - 1, (uint)MachinesMax - 1, nameof(machines));
        Host host = new(options);
        try
        {
            PciFunction[] devices = Plug(host, machines, device);
            host.Boot();
            host.Loop.Run(async () =>
            {
                for (int number = 0; number < machines; number++)
                {
                    VirtualMachine machine = host.CreateMachine($"vm{number}", bytes);
                    AssignmentResult result = await host.AssignmentOf(devices[number].Source).Assign(machine, GuestPlace);
                    if (!result.IsDone)
                        throw new InvalidOperationException($"{machine} does not get its device: {result.Reason}.");
                }
            });
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    private static PciFunction[] Plug(Host host, int machines, Func<Host, int, PciFunction> device)
    {
        PciFunction[] devices = new PciFunction[machines];
        for (int port = 0; port * DevicesPerPort < machines; port++)
        {
            PciBridge bridge = new(0x1AF4, 0x000C, accessControls: AccessControls.Usual);
            host.Pci.Add(bridge, 1 + (port / PortsPerDevice), port % PortsPerDevice);
            for (int slot = 0; slot < DevicesPerPort && (port * DevicesPerPort) + slot < machines; slot++)
            {
                int number = (port * DevicesPerPort) + slot;
                devices[number] = device(host, number);
                bridge.Secondary.Add(devices[number], slot);
            }
        }

        return devices;
    }
}
