using System.Numerics;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Decides what interrupts devices can raise: the table of a unit that remaps them (VT-d, interrupt remapping).</summary>
/// <remarks>
/// <code>
///   device                       unit                                      processor
///   ------------------------     -------------------------------------     --------------------
///   writes to FEEh, handle n --> entry n: requester? vector, destination --> message of the entry
/// </code>
/// A device knows a number and nothing else: which vector of which processor the number stands for, and for which
/// requester alone, stands in a table that it cannot reach. Whatever else it writes into the interrupt range is blocked.
/// </remarks>
public sealed class InterruptRemapping
{
    /// <summary>The most entries that a table can have.</summary>
    public const int EntriesMax = InterruptTableAddress.EntriesMax;

    private const int EntryBytes = 16;
    private static readonly GlobalCommand _pointer = new() { SetInterruptRemapTablePointer = true };
    private static readonly GlobalCommand _enable = new() { InterruptRemappingEnable = true };

    private readonly RemappingDriver _driver;
    private readonly UnitRegisters _registers;
    private readonly TableMemory _memory;
    private readonly GuestPhysicalAddress _table;
    private readonly FreeBitmap _free;
    private readonly PostedDescriptors _descriptors;

    internal InterruptRemapping(RemappingDriver driver, UnitRegisters registers, TableMemory memory, GuestPhysicalAddress table)
    {
        _driver = driver;
        _registers = registers;
        _memory = memory;
        _table = table;
        _free = new((ulong)driver.Options.InterruptEntries);
        _descriptors = new(memory);
    }

    /// <summary>Whether destinations are x2APIC ids; where the unit can, so that nothing in compatibility format ever passes.</summary>
    public bool IsExtended => _driver.Unit.Extended.ExtendedInterruptMode;

    /// <summary>Whether interrupts can be posted: CAP.PI.</summary>
    public bool CanPost => _driver.Unit.Capability.PostedInterrupts;

    /// <summary>How many entries nobody has.</summary>
    public int EntriesFree => (int)_free.Free;

    /// <summary>Routes the interrupts of a device.</summary>
    /// <param name="source">The requester that may raise them, and nobody else.</param>
    /// <param name="targets">What its vectors raise, one or more; they keep their order.</param>
    /// <returns>What to program into its MSI or MSI-X capability; <c>null</c>, and nothing changed, where not enough entries are free.</returns>
    public async ValueTask<RemappedMessages?> TryAllocate(SourceId source, IReadOnlyList<MessageInterrupt> targets)
    {
        if (TryReserve(source, targets.Count) is not { } messages)
            return null;
        await Route(messages, targets);
        return messages;
    }

    /// <summary>Takes entries for the interrupts of a device, which let none through yet.</summary>
    /// <param name="source">The requester that may raise them, and nobody else.</param>
    /// <param name="count">How many vectors, one or more.</param>
    /// <returns>What <see cref="Route"/> makes present; <c>null</c>, and nothing changed, where not enough entries are free.</returns>
    public RemappedMessages? TryReserve(SourceId source, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);

        // Aligned, so that one invalidation covers them all.
        ulong entries = BitOperations.RoundUpToPowerOf2((uint)count);
        return _free.TryTake(entries, entries, 0, out ulong first) ? new(this, source, (int)first, count) : null;
    }

    /// <summary>Lets reserved entries lead somewhere.</summary>
    /// <param name="messages">From <see cref="TryReserve"/>.</param>
    /// <param name="targets">What its vectors raise, in their order.</param>
    public ValueTask Route(RemappedMessages messages, IReadOnlyList<MessageInterrupt> targets)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(targets.Count, messages.Count);
        for (int vector = 0; vector < targets.Count; vector++)
            _memory.WriteEntry(Place(messages.Index + vector), EntryOf(messages.Source, targets[vector]).Raw);
        return MadePresent(messages);
    }

    /// <summary>Takes a posted-interrupt descriptor, all zeros.</summary>
    /// <returns><c>false</c> where no frame is left for it.</returns>
    public bool TryTakeDescriptor(out PhysicalAddress descriptor) => _descriptors.TryTake(out descriptor);

    /// <summary>Gives a descriptor back; every entry that leads to it was freed or leads elsewhere.</summary>
    public void ReturnDescriptor(PhysicalAddress descriptor) => _descriptors.Return(descriptor);

    /// <summary>What a notification says of its destination: the id, where the unit expects it.</summary>
    /// <param name="apicId">The processor that is notified.</param>
    public uint NotificationDestination(byte apicId) => IsExtended ? apicId : (uint)apicId << 8;

    /// <summary>Table memory for a driver with such options; <c>false</c> where not enough frames lie side by side.</summary>
    /// <param name="options">What was decided.</param>
    /// <param name="unit">What the unit can do.</param>
    /// <param name="invalidator">How it is told of changes: by a queue, or interrupts are not remapped.</param>
    /// <param name="memory">Where tables come from.</param>
    /// <param name="table">The table; null where interrupts are not remapped.</param>
    internal static bool TryAllocateTable(
        RemappingOptions options, UnitCapabilities unit, IInvalidator invalidator, TableMemory memory, out GuestPhysicalAddress? table)
    {
        table = null;
        if (invalidator is not InvalidationQueue || !unit.Extended.InterruptRemapping || options.InterruptEntries == 0)
            return true;
        bool found = memory.TryAllocate(Frames(options), out GuestPhysicalAddress first);
        table = first;
        return found;
    }

    /// <summary>Gives table memory back that was not taken into use.</summary>
    internal static void FreeTable(RemappingOptions options, TableMemory memory, GuestPhysicalAddress? table)
    {
        if (table is { } first)
            memory.Free(first, Frames(options));
    }

    /// <summary>Takes the table into use.</summary>
    internal async ValueTask Start()
    {
        InterruptTableAddress address = new()
        {
            Table = TableMemory.ForUnit(_table),
            SizeCode = BitOperations.Log2((uint)_driver.Options.InterruptEntries) - 1,
            ExtendedInterruptMode = IsExtended,
        };
        _registers.Window.Write64(RegisterOffsets.InterruptTableAddress, address.Raw.Value);
        await _registers.Command(_pointer);
        if (!_driver.Unit.Capability.EnhancedSetInterruptPointer)
            await _driver.Invalidator.Invalidate(InvalidationRequest.AllInterrupts);
        else
            await _driver.FlushWriteBuffers();
        await _registers.Command(_enable);
    }

    /// <summary>Lets interrupts pass as they are, and gives the table back.</summary>
    internal async ValueTask Stop()
    {
        await _registers.Command(_enable, turnOn: false);
        await _driver.Invalidator.Invalidate(InvalidationRequest.AllInterrupts);
        _memory.Free(_table, Frames(_driver.Options));
        _descriptors.Close();
    }

    /// <summary>Lets a vector raise something else.</summary>
    internal ValueTask Redirect(RemappedMessages messages, int vector, MessageInterrupt target) =>
        Replace(messages.Index + vector, EntryOf(messages.Source, target).Raw);

    /// <summary>Lets a vector be posted.</summary>
    internal ValueTask Post(RemappedMessages messages, int vector, PostedTarget target)
    {
        if (!CanPost)
            throw new DeviceException($"The remapping unit at {_registers.Window.Address} cannot post interrupts: CAP.PI is 0.");
        return Replace(messages.Index + vector, EntryOf(messages.Source, target).Raw);
    }

    /// <summary>Takes entries back; when it completes, the unit knows them no more.</summary>
    internal async ValueTask Free(RemappedMessages messages)
    {
        for (int vector = 0; vector < messages.Count; vector++)
            _memory.WriteEntry(Place(messages.Index + vector), default(Bits128));
        await Forget(messages);
        _free.Release((ulong)messages.Index, BitOperations.RoundUpToPowerOf2((uint)messages.Count));
    }

    private static ulong Frames(RemappingOptions options) =>
        Math.Max(1, (ulong)options.InterruptEntries * EntryBytes / FrameAllocator.FrameSize);

    private GuestPhysicalAddress Place(int index) => _table + (ulong)(index * EntryBytes);

    // A request finds the old entry or the new one, whole: both halves change in one store. Until the invalidation is done it
    // may still be the old one, so what that leads to must stay until then.
    private async ValueTask Replace(int index, Bits128 entry)
    {
        _memory.ReplaceEntry(Place(index), entry);
        _ = await _driver.Invalidator.Invalidate(InvalidationRequest.OfInterrupts(index, 0));
    }

    private static InterruptRemappingEntry Common(SourceId source, byte vector) =>
        new() { Present = true, Vector = vector, Source = source, SourceValidation = SourceValidationType.Requester };

    private static PostedInterrupt EntryOf(SourceId source, PostedTarget target) => new()
    {
        Common = Common(source, target.Vector) with { IsPosted = true },
        Urgent = target.IsUrgent,
        Descriptor = target.Descriptor,
    };

    private RemappedInterrupt EntryOf(SourceId source, MessageInterrupt target) => new()
    {
        Common = Common(source, target.Vector),
        DeliveryMode = (InterruptDeliveryMode)target.DeliveryMode,
        LogicalDestination = target.IsLogical,
        RedirectionHint = target.IsRedirectable,
        LevelTriggered = target.IsLevel,
        Destination = IsExtended ? target.ExtendedDestination : (uint)target.Destination << 8,
    };

    // What was not present is cached by a unit with caching mode alone.
    private ValueTask MadePresent(RemappedMessages messages) =>
        _driver.Unit.Capability.CachingMode ? Forget(messages) : _driver.FlushWriteBuffers();

    private async ValueTask Forget(RemappedMessages messages)
    {
        int mask = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)messages.Count));
        _ = await _driver.Invalidator.Invalidate(mask <= _driver.Unit.Extended.MaximumHandleMask
            ? InvalidationRequest.OfInterrupts(messages.Index, mask)
            : InvalidationRequest.AllInterrupts);
    }
}
