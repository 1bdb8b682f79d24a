using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A block of four registers by which a unit interrupts software: control, data, address, upper address.</summary>
/// <remarks>
/// A message of the unit itself is neither remapped nor posted. It is a doubleword written to the address that
/// software chose: an interrupt in the interrupt range, else a write to memory.
/// </remarks>
internal sealed class EventMessage(RegisterFile registers, int control, PhysicalMemory memory, IInterruptSink interrupts)
{
    private EventControl Control
    {
        get => new(new(registers[control]));
        set => registers[control] = value.Raw.Value;
    }

    /// <summary>A new interrupt condition: pending, and sent at once unless it is masked.</summary>
    public void Raise()
    {
        Control = Control with { Pending = true };
        SendIfAllowed();
    }

    /// <summary>Software serviced all that the event was about before it was sent.</summary>
    public void Withdraw() => Control = Control with { Pending = false };

    /// <summary>The control register was written: an event that waited for the mask goes out.</summary>
    public void SendIfAllowed()
    {
        EventControl now = Control;
        if (!now.Pending || now.Mask)
            return;
        Control = now with { Pending = false };
        uint data = (uint)registers[control + 4];
        ulong address = registers[control + 8] | (registers[control + 12] << 32);

        // The high half carries the upper bits of an x2APIC destination.
        if (InterruptRange.Contains((uint)address))
            interrupts.Deliver(new(address, data));
        else
            _ = memory.TryWrite(new(address), data);
    }
}
