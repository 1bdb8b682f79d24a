using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The local APIC of a guest at its place, and which accesses to it are exits.</summary>
/// <remarks>
/// Without APIC virtualization each access is one. With it, the processor answers reads from the virtual-APIC page, and acts
/// on the task priority, the end of an interrupt, and what the guest sends to itself; other writes are exits after the fact
/// (Intel SDM volume 3, 30.4 and 30.1.4). The end of a level-triggered interrupt is one too, since an I/O APIC must hear of it.
/// </remarks>
/// <param name="apic">The guest's local APIC.</param>
/// <param name="processor">Who pays for exits.</param>
internal sealed class VirtualApicPage(LocalApic apic, Processor processor)
{
    /// <summary>Whether the processor acts for the local APIC.</summary>
    public bool IsVirtualized { get; set; } = true;

    /// <summary>Whether an access lies in the page.</summary>
    public static bool Contains(ulong address, int width) => address - LocalApic.Start <= LocalApic.Length - (ulong)width;

    /// <summary>A read by the guest.</summary>
    public ulong Load(ulong address, int width)
    {
        ulong offset = address - LocalApic.Start;
        if (!IsVirtualized || !IsReadVirtualized(offset, width))
            processor.Charge(Cost.Exit);
        return apic.Read(offset, width) & RegisterFile.AllOnes(width);
    }

    /// <summary>A write by the guest.</summary>
    public void Store(ulong address, int width, ulong value)
    {
        ulong offset = address - LocalApic.Start;
        if (!IsVirtualized || !IsWriteVirtualized(offset, width, (uint)value))
            processor.Charge(Cost.Exit);
        apic.Write(offset, width, value);
    }

    // Not what the processor works out at the moment: its priority, and the count that is left.
    private static bool IsReadVirtualized(ulong offset, int width) => (offset & ~0xFul) switch
    {
        _ when (offset & 0xF) + (ulong)width > sizeof(uint) => false,
        LocalApicOffsets.ProcessorPriority or LocalApicOffsets.CurrentCount => false,
        < LocalApicOffsets.End => true,
        _ => false,
    };

    private bool IsWriteVirtualized(ulong offset, int width, uint value) => offset switch
    {
        _ when width != sizeof(uint) => false,
        LocalApicOffsets.TaskPriority or LocalApicOffsets.InterruptCommandHigh => true,
        LocalApicOffsets.EndOfInterrupt => !apic.EndsLevel,
        LocalApicOffsets.InterruptCommand => IsToItself(new(new(value))),
        _ => false,
    };

    // Fixed, edge-triggered, and a vector that is one (Intel SDM volume 3, 30.1.5).
    private static bool IsToItself(InterruptCommand command) =>
        command is { Shorthand: DestinationShorthand.Self, DeliveryMode: 0, Vector: >= LocalApic.FirstVector };
}
