using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One processor of the host that VMs take turns on: who was on it last, and what it costs to go from one to another.</summary>
/// <remarks>A VM is on it when it makes a hypercall or takes an interrupt; the one that comes pays. In between it is not looked at.</remarks>
public sealed class SharedProcessor
{
    /// <summary>The VM that was on it last; null for none.</summary>
    public VirtualMachine? Current { get; private set; }

    /// <summary>How often it went from one VM to another.</summary>
    public ulong Switches { get; private set; }

    /// <summary>A VM has something to do.</summary>
    internal void Run(VirtualMachine machine)
    {
        if (Current == machine)
            return;
        if (Current is not null)
        {
            Switches++;
            machine.Cpu.Processor.Charge(Cost.MachineSwitch);
        }

        Current = machine;
    }
}
