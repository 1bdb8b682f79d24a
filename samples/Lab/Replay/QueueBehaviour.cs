namespace Dma.Lab;

/// <summary>How a queue may differ from the manual's; each member is named by a rule in the data.</summary>
[Flags]
internal enum QueueBehaviour
{
    /// <summary>As the manual says.</summary>
    None = 0,

    /// <summary>A wait that neither writes nor interrupts is an error.</summary>
    FenceIsError = 1 << 0,

    /// <summary>After an error was cleared, the next write of the tail starts the queue.</summary>
    ResumesAtTail = 1 << 1,

    /// <summary>Descriptors for device TLBs are taken by a unit that does not report any.</summary>
    TakesDeviceTlb = 1 << 2,

    /// <summary>A width of descriptors that the unit does not have is not noticed.</summary>
    IgnoresWidth = 1 << 3,

    /// <summary>The queue stays on unless it is empty and its last descriptor was a wait.</summary>
    RefusesOff = 1 << 4,

    /// <summary>A status that cannot be written is an error.</summary>
    StatusMustLand = 1 << 5,

    /// <summary>The error record tells nothing.</summary>
    NoErrorRecord = 1 << 6,

    /// <summary>The address of the queue reads as it was when the queue was switched on.</summary>
    AddressReadsLatched = 1 << 7,

    /// <summary>The source of the physical function in descriptors for device TLBs must be zero.</summary>
    ReservesPhysicalFunction = 1 << 8,

    /// <summary>Descriptors for the interrupt entry cache are taken by a unit that does not remap interrupts.</summary>
    TakesInterruptEntries = 1 << 9,

    /// <summary>The index mask of a descriptor for interrupt entries is not held to ECAP.MHMV.</summary>
    IgnoresHandleMask = 1 << 10,
}
