namespace Dma.Machine;

/// <summary>What a local APIC is connected to: its processor on one side, the other APICs on the other.</summary>
internal interface ILocalApicHost
{
    /// <summary>Whether the processor has a place to go for a vector that no software has asked for.</summary>
    bool Handles(byte vector);

    /// <summary>An interrupt may be due, and is taken where the processor is open to it.</summary>
    void Offer();

    /// <summary>A non-maskable interrupt.</summary>
    /// <returns>Whether some software has asked for it.</returns>
    bool NonMaskable();

    /// <summary>Sends an interrupt to processors.</summary>
    void Send(InterruptCommand command);

    /// <summary>Tells I/O APICs that a level-triggered interrupt has ended.</summary>
    void EndLevel(byte vector);
}
