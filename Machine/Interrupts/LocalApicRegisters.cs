namespace Dma.Machine;

/// <summary>The registers of a local APIC, as data (Intel SDM volume 3, 11.4.1).</summary>
internal static class LocalApicRegisters
{
    /// <summary>Bytes from one register to the next.</summary>
    public const int Step = 16;

    /// <summary>Bit 16 of every entry of the local vector table.</summary>
    public const ulong Masked = 1 << 16;

    // An integrated APIC; entries 0 to 3 of the local vector table; bit 24: the broadcast of ends can be suppressed.
    private const ulong VersionValue = 0x14 | (3 << 16) | (1 << 24);
    private const ulong PinFields = 0xFF | (7 << 8) | (1 << 13) | (1 << 15) | Masked;

    /// <summary>All of them, each in the first doubleword of its place.</summary>
    /// <param name="id">The id of the processor.</param>
    public static IEnumerable<Register> Declare(byte id)
    {
        yield return Of(LocalApicOffsets.Id, "ID", new((ulong)id << 24));
        yield return Of(LocalApicOffsets.Version, "VERSION", new(VersionValue));
        yield return Of(LocalApicOffsets.TaskPriority, "TPR", new(0, Writable: 0xFF));
        yield return Of(LocalApicOffsets.ProcessorPriority, "PPR", new(0));
        yield return Of(LocalApicOffsets.EndOfInterrupt, "EOI", new(0));
        yield return Of(LocalApicOffsets.LogicalDestination, "LDR", new(0, Writable: 0xFF00_0000));
        yield return Of(LocalApicOffsets.DestinationFormat, "DFR", new(0xFFFF_FFFF, Writable: 0xF000_0000));
        yield return Of(LocalApicOffsets.SpuriousVector, "SVR", new(0xFF, Writable: 0x11FF));
        for (int index = 0; index < 8; index++)
        {
            yield return Of(LocalApicOffsets.InService + (Step * index), $"ISR{index}", new(0));
            yield return Of(LocalApicOffsets.TriggerMode + (Step * index), $"TMR{index}", new(0));
            yield return Of(LocalApicOffsets.InterruptRequest + (Step * index), $"IRR{index}", new(0));
        }

        yield return Of(LocalApicOffsets.ErrorStatus, "ESR", new(0));
        yield return Of(LocalApicOffsets.InterruptCommand, "ICR", new(0, Writable: 0xCCFFF));
        yield return Of(LocalApicOffsets.InterruptCommandHigh, "ICRH", new(0, Writable: 0xFF00_0000));
        yield return Of(LocalApicOffsets.TimerEntry, "LVTT", new(Masked, Writable: 0xFF | Masked | (1 << 17)));
        yield return Of(LocalApicOffsets.Pin0Entry, "LVT0", new(Masked, PinFields));
        yield return Of(LocalApicOffsets.Pin1Entry, "LVT1", new(Masked, PinFields));
        yield return Of(LocalApicOffsets.ErrorEntry, "LVTE", new(Masked, Writable: 0xFF | Masked));
        yield return Of(LocalApicOffsets.InitialCount, "TICR", new(0, Writable: 0xFFFF_FFFF));
        yield return Of(LocalApicOffsets.CurrentCount, "TCCR", new(0));
        yield return Of(LocalApicOffsets.DivideConfiguration, "TDCR", new(0, Writable: 0xB));
    }

    private static Register Of(int offset, string name, RegisterRule rule) => new(offset, 4, name, rule);
}
