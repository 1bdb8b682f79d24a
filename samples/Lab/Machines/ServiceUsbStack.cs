using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The USB stack of a service VM: the drivers that every guest has, and the controller that is assigned to it.</summary>
/// <param name="machine">The service VM, with its controller.</param>
/// <param name="frames">Where its memory comes from.</param>
public sealed class ServiceUsbStack(VirtualMachine machine, FrameAllocator frames) : UsbStack
{
    /// <inheritdoc/>
    public override Processor Processor => machine.Cpu.Processor;

    /// <summary>Takes the controller.</summary>
    /// <param name="vector">The vector that its interrupt raises.</param>
    /// <exception cref="DriverException">It does not start, or there is none.</exception>
    public async ValueTask Start(byte vector)
    {
        GuestCpu cpu = machine.Cpu;
        HypercallResult found = await cpu.Call(Hypercall.FindDevice);
        if (found.Refusal != DmaRefusal.None)
            throw new DriverException(DriverFailure.NoDriver, $"No controller is assigned to {machine.Name}.");
        SourceId handle = new((ushort)found.Value);
        IDmaSpace dma = GuestDma.Create(machine.Mapping, cpu, frames, cpu, handle);
        await Drive(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), handle, dma, vector));
    }
}
