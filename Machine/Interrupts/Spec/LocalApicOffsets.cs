namespace Dma.Machine;

/// <summary>Where the registers of a local APIC are in its page, each in the first doubleword of 16 bytes (Intel SDM volume 3, 11.4.1).</summary>
public static class LocalApicOffsets
{
    /// <summary>Local APIC id.</summary>
    public const int Id = 0x020;

    /// <summary>Version.</summary>
    public const int Version = 0x030;

    /// <summary>TPR: what software masks.</summary>
    public const int TaskPriority = 0x080;

    /// <summary>PPR: what is masked.</summary>
    public const int ProcessorPriority = 0x0A0;

    /// <summary>EOI: a write ends the interrupt of the highest priority in service.</summary>
    public const int EndOfInterrupt = 0x0B0;

    /// <summary>LDR.</summary>
    public const int LogicalDestination = 0x0D0;

    /// <summary>DFR: how logical destinations are read.</summary>
    public const int DestinationFormat = 0x0E0;

    /// <summary>SVR, a <see cref="Dma.Machine.SpuriousVector"/>.</summary>
    public const int SpuriousVector = 0x0F0;

    /// <summary>ISR: eight registers of 32 vectors, those in service.</summary>
    public const int InService = 0x100;

    /// <summary>TMR: eight registers, the vectors that came level-triggered.</summary>
    public const int TriggerMode = 0x180;

    /// <summary>IRR: eight registers, the vectors that wait.</summary>
    public const int InterruptRequest = 0x200;

    /// <summary>ESR, <see cref="LocalApicErrors"/>.</summary>
    public const int ErrorStatus = 0x280;

    /// <summary>ICR, lower half of an <see cref="Dma.Machine.InterruptCommand"/>: a write sends.</summary>
    public const int InterruptCommand = 0x300;

    /// <summary>ICR, upper half.</summary>
    public const int InterruptCommandHigh = 0x310;

    /// <summary>LVT of the timer, a <see cref="LocalVectorEntry"/>.</summary>
    public const int TimerEntry = 0x320;

    /// <summary>LVT of the pin LINT0.</summary>
    public const int Pin0Entry = 0x350;

    /// <summary>LVT of the pin LINT1.</summary>
    public const int Pin1Entry = 0x360;

    /// <summary>LVT of errors.</summary>
    public const int ErrorEntry = 0x370;

    /// <summary>The count that the timer begins with.</summary>
    public const int InitialCount = 0x380;

    /// <summary>The count that is left.</summary>
    public const int CurrentCount = 0x390;

    /// <summary>Divide configuration of the timer.</summary>
    public const int DivideConfiguration = 0x3E0;

    /// <summary>From here on nothing is in the page.</summary>
    public const int End = 0x400;
}
