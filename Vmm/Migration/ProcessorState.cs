using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What of a VM's processor is not in its memory: the registers of its local APIC, and the interrupts that wait there.</summary>
/// <remarks>
/// The software itself pauses and goes on, see <see cref="IGuestSoftware"/>. A periodic timer begins a new period; one that
/// runs once has the time left that it had.
/// </remarks>
internal sealed class ProcessorState
{
    private const ulong PeriodicBit = 1 << 17;

    // Turned on first, since what is off masks its entries; what a write sets going comes last.
    private static readonly int[] _registers =
    [
        LocalApicOffsets.DestinationFormat, LocalApicOffsets.LogicalDestination, LocalApicOffsets.TaskPriority, LocalApicOffsets.SpuriousVector,
        LocalApicOffsets.ErrorEntry, LocalApicOffsets.Pin0Entry, LocalApicOffsets.Pin1Entry, LocalApicOffsets.TimerEntry,
        LocalApicOffsets.DivideConfiguration, LocalApicOffsets.InitialCount,
    ];

    private readonly bool _isDriven;
    private readonly ulong[] _values;
    private readonly Bits256 _waiting;

    /// <summary>As it is now.</summary>
    public ProcessorState(GuestCpu cpu)
    {
        LocalApic apic = cpu.Gates.Apic;
        _isDriven = apic.IsDriven;
        _values = [.. _registers.Select(offset => apic.Read((ulong)offset, sizeof(uint)))];
        if ((apic.Read(LocalApicOffsets.TimerEntry, sizeof(uint)) & PeriodicBit) == 0)
            _values[^1] = apic.Read(LocalApicOffsets.CurrentCount, sizeof(uint));
        ulong[] words = new ulong[4];
        for (int index = 0; index < 8; index++)
            words[index / 2] |= apic.Read((ulong)(LocalApicOffsets.InterruptRequest + (16 * index)), sizeof(uint)) << (32 * (index % 2));
        _waiting = new(words[0], words[1], words[2], words[3]);
    }

    /// <summary>Puts it into another processor, one that was reset.</summary>
    public void Restore(GuestCpu cpu)
    {
        LocalApic apic = cpu.Gates.Apic;
        for (int index = 0; _isDriven && index < _registers.Length; index++)
            apic.Write((ulong)_registers[index], sizeof(uint), _values[index]);
        apic.Accept(_waiting);
    }
}
