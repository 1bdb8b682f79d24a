using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>A guest reads registers of a virtual device, an exit each, beside registers of an assigned one, which EPT lets it reach.</summary>
public sealed class ExitWorkload : Workload
{
    private const int VirtualPlace = 5;
    private const uint VirtualBar = 0xFEB0_0000;
    private const int Registers = 1024;

    private readonly GuestWorld _world = new();
    private readonly GuestCpu _cpu;
    private readonly GuestPhysicalAddress _assigned;
    private int _next;

    /// <summary>A guest with both devices.</summary>
    public ExitWorkload()
    {
        VirtualMachine machine = _world.Machine;
        _cpu = machine.Cpu;
        _assigned = ((RegisterWindow)_world.Opened.OpenBar(0)).Address;
        BenchDevice @virtual = new();
        machine.Pci.Add(@virtual, VirtualPlace);
        machine.Pci.WriteConfiguration(@virtual.Source, PciOffset.Bar0, 4, VirtualBar);
        machine.Pci.WriteConfiguration(@virtual.Source, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
    }

    /// <inheritdoc/>
    public override ulong Baseline() => Read(_assigned);

    /// <inheritdoc/>
    public override ulong Simulator() => Read(new(VirtualBar));

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        ulong exits = _cpu.Processor.Meter[Cost.Exit];
        for (ulong register = 0; register < Registers; register++)
        {
            ulong offset = register * sizeof(uint);
            if (Compare(offset, _cpu.Load(_assigned + offset, 4), _cpu.Load(new(VirtualBar + offset), 4)) is { } difference)
                return difference;
        }

        return Compare(Registers, Registers, _cpu.Processor.Meter[Cost.Exit] - exits);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _world.Dispose();
    }

    private ulong Read(GuestPhysicalAddress first)
    {
        ulong sum = 0;
        for (int time = 0; time < OperationsPerBatch; time++)
        {
            sum += _cpu.Load(first + ((ulong)_next * sizeof(uint)), 4);
            _next = (_next + 1) % Registers;
        }

        return sum;
    }
}
