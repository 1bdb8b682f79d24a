namespace Dma.Hal;

/// <summary>When a device gets memory, and when it loses it again: what is paid for each transfer, and how long a device that lies can do harm.</summary>
/// <remarks>docs/hal-policies.md says what each promises, with figures.</remarks>
public enum MappingPolicy
{
    /// <summary>Mapped when the driver maps; unmapped and invalidated before its unmap returns.</summary>
    Strict = 0,

    /// <summary>Mapped when the driver maps; unmapped at once in the tables, and invalidated together with others, within a bounded time.</summary>
    Deferred,

    /// <summary>Mapped when the driver maps, and left mapped for a bounded time after its unmap: the same buffer, mapped again, costs nothing.</summary>
    Optimistic,

    /// <summary>The device reaches a pool that is mapped once; a processor copies between the pool and the driver's buffers.</summary>
    Bounce,

    /// <summary>All memory of the software is mapped from the beginning to the end, at its own addresses.</summary>
    Static,

    /// <summary>Nothing is translated: the device reaches all memory of the machine, and uses its addresses.</summary>
    Untranslated,
}
