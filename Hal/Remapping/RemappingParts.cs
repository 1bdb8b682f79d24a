using Dma.Machine;

namespace Dma.Hal;

/// <summary>The tables and queues that a driver needs before it touches its unit: all of them, or none.</summary>
/// <param name="Contexts">Which requester belongs where.</param>
/// <param name="Invalidator">How the unit is told of changes.</param>
/// <param name="InterruptTable">The table of interrupts; null where they are not remapped.</param>
/// <param name="PageRequestQueue">The queue of page requests; null where no device can ask.</param>
internal sealed record RemappingParts(
    IContextTables Contexts, IInvalidator Invalidator, GuestPhysicalAddress? InterruptTable, GuestPhysicalAddress? PageRequestQueue)
{
    /// <summary>Takes memory for all of them.</summary>
    /// <exception cref="DeviceException">It ran out; none is taken.</exception>
    public static RemappingParts Allocate(RemappingOptions options, UnitRegisters registers, UnitCapabilities unit, TableMemory memory)
    {
        IContextTables? contexts = options.Scalable ? ScalableContexts.TryCreate(memory, unit, options.PasidBits) : ContextTables.TryCreate(memory, unit);
        bool usesQueue = unit.MustUseQueue || options.Scalable || (unit.Extended.QueuedInvalidation && options.UseQueue);
        IInvalidator? invalidator = usesQueue
            ? InvalidationQueue.TryCreate(registers, unit, memory, options)
            : new RegisterInvalidator(registers, unit);
        if (contexts is not null && invalidator is not null
            && InterruptRemapping.TryAllocateTable(options, unit, invalidator, memory, out GuestPhysicalAddress? interruptTable))
        {
            if (PageRequestHandler.TryAllocateQueue(options, unit, memory, out GuestPhysicalAddress? pageRequests))
                return new(contexts, invalidator, interruptTable, pageRequests);
            InterruptRemapping.FreeTable(options, memory, interruptTable);
        }

        contexts?.Free();
        (invalidator as InvalidationQueue)?.Free();
        throw new DeviceException("No frames are left for the tables of the remapping unit.");
    }
}
