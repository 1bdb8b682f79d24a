using Dma.Machine;

namespace Dma.Lab;

/// <summary>What modelled controllers cost since a moment, whom.</summary>
internal sealed class ModelledCosts
{
    private readonly ServiceMachine _machine;
    private readonly MonitorCharges _guests;
    private readonly MonitorCharges _service;
    private readonly MonitorCharges _vmm;
    private readonly ulong _switches;

    /// <summary>Counts from now on.</summary>
    public ModelledCosts(ServiceMachine machine)
    {
        _machine = machine;
        CostModel costs = machine.Host.Options.Costs;
        _guests = new(costs, [.. machine.Guests.Select(guest => guest.Cpu.Processor)]);
        _service = new(costs, machine.Processor);
        _vmm = new(costs, machine.Host.Cpu.Processor);
        _switches = Switches;
    }

    private ulong Switches => _machine.Host.SharedProcessor?.Switches ?? 0;

    /// <summary>What it came to for each of some reads: switches from VM to VM, copies of a byte, cycles.</summary>
    public (double Switches, double Copies, ModelledCycles Cycles) For(double reads)
    {
        double each = Math.Max(1, reads);
        ulong copied = _guests[Cost.CopiedByte] + _service[Cost.CopiedByte] + _vmm[Cost.CopiedByte];
        return ((Switches - _switches) / each, copied / (each * ModelledGuest.ReadBytes), new(_guests.Cycles / each, _service.Cycles / each, _vmm.Cycles / each));
    }
}
