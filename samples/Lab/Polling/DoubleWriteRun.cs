using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Two values are stored into one register right after each other, faster than a poller looks.</summary>
/// <param name="controller">One of <see cref="UsbControllers.Names"/>.</param>
/// <param name="options">How the poller works.</param>
internal sealed class DoubleWriteRun(string controller, PollingOptions options)
{
    private const ulong RestNs = 1_000_000;
    private const byte Vector = 0x40;

    private static readonly SourceId _place = new(0, 4, 0);

    /// <summary>Runs it.</summary>
    /// <param name="access">Which registers are polled.</param>
    public DoubleWrite Run(PolledAccess access)
    {
        using Host host = new(new() { MemoryBytes = 64 << 20, VmmBytes = 32 << 20 });
        host.Boot();
        PciFunction function = UsbControllers.Create(controller, host.Loop).Function;
        PolledCell cell = PolledRegisterMap.Of(function).Cells.First(static cell => cell.Name is "USBINTR" or "CONFIG");
        VirtualMachine vm = host.CreateMachine("VM 1", 4 << 20);
        RegisterPoller poller = new(host, options);
        PolledRegisters registers = poller.Plug(vm, function, _place, access);
        int seen = 0;
        registers.Applied = write => seen += write.Offset == cell.Offset ? 1 : 0;
        return host.Loop.Run(async () =>
        {
            IdentityDmaSpace dma = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), 3 << 20));
            ExitlessDevice device = new(vm.Cpu, PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), _place, dma, Vector));
            IRegisterWindow window = device.OpenBar(0);
            await device.Processor.Delay(RestNs);
            (seen, ulong exits) = (0, vm.Cpu.Processor.Meter[Cost.Exit]);
            window.Write32(cell.Offset, 1);
            window.Write32(cell.Offset, 2);
            await device.Processor.Delay(RestNs);
            bool isPolled = registers.Cells.Any(polled => polled.Offset == cell.Offset);
            return new DoubleWrite(
                access.ToString(), cell.Name, isPolled ? seen : (int)(vm.Cpu.Processor.Meter[Cost.Exit] - exits), (uint)function.ReadBar(0, (ulong)cell.Offset, cell.Width));
        });
    }
}

/// <summary>What a device saw of two values, 1 and 2, that were stored right after each other.</summary>
/// <param name="Way">Which registers are polled.</param>
/// <param name="Register">The register.</param>
/// <param name="Seen">How many writes the device got.</param>
/// <param name="Left">What the register has in the end.</param>
public sealed record DoubleWrite(string Way, string Register, int Seen, uint Left);
