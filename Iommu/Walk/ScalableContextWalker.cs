using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Finds the context entry of a requester in scalable mode.</summary>
/// <remarks>
/// <code>
///    15         8 7 6           0
///   +------------+-+-------------+   root entry by bus; bit 7 chooses its half, which leads to a context table
///   |    bus     |h|    index    |   of 128 entries for devices 0 to 15, or 16 to 31
///   +------------+-+-------------+
/// </code>
/// </remarks>
internal sealed class ScalableContextWalker(PhysicalMemory memory, HardwareProfile profile, ScalableReservedBits reserved)
{
    private readonly ExtendedCapabilityRegister _capabilities = profile.ExtendedCapabilities;

    /// <summary>Reads root and context entry.</summary>
    /// <param name="table">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="observer">Who watches.</param>
    public ScalableContext Walk<TObserver>(PhysicalAddress table, SourceId source, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        FaultReason fault = ReadRoot(table, source, observer, out ulong contextTable);
        if (fault != FaultReason.None)
            return ScalableContext.None(fault);

        // 4. The context entry must be in memory that answers.
        PhysicalAddress at = new(contextTable + (32ul * (source.DeviceFunction & 0x7Fu)));
        bool readable = memory.TryRead(at, out Bits256 raw);
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.ScalableContext, 0, at, new(raw.Word0, raw.Word1, raw.Word2, raw.Word3, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return ScalableContext.None(FaultReason.ScalableContextAccess);
        ScalableContextEntry context = new(raw);

        // FPD counts from here on, also in an entry that is not present.
        fault = Check(context, observer);
        return fault != FaultReason.None
            ? ScalableContext.None(fault, context.FaultProcessingDisable)
            : new(
                FaultReason.None,
                context.FaultProcessingDisable,
                context.DeviceTlbEnabled,
                context.PasidEnabled,
                context.PageRequestsEnabled,
                context.PasidDirectory.Value,
                context.PasidDirectorySize + 13,
                _capabilities.RidPasid ? context.RequesterPasid : default,
                _capabilities.RidPrivilege && context.RequesterPrivileged);
    }

    /// <summary>Whether a context entry can be used; each refusal has its own reason.</summary>
    public FaultReason Check<TObserver>(ScalableContextEntry context, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // 5. It must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, context.Present);
        if (!context.Present)
            return FaultReason.ScalableContextNotPresent;

        // 6. No reserved bit may be set.
        bool clean = !context.Raw.Any(reserved.Context);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, reserved.Context.Word0, clean);
        if (!clean)
            return FaultReason.ScalableContextReserved;

        // 7. It may enable only what the unit has.
        bool supported = (!context.DeviceTlbEnabled || _capabilities.DeviceTlb)
            && (!context.PasidEnabled || _capabilities.ProcessAddressSpaces)
            && (!context.PageRequestsEnabled || _capabilities.PageRequests);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Capability, Bits64.Mask(4, 2), supported);
        return supported ? FaultReason.None : FaultReason.ScalableContextInvalid;
    }

    private FaultReason ReadRoot<TObserver>(PhysicalAddress table, SourceId source, TObserver observer, out ulong contextTable)
        where TObserver : struct, IWalkObserver
    {
        // 1. The root entry must be in memory that answers.
        PhysicalAddress at = new(table.Value + (16ul * source.Bus));
        bool readable = memory.TryRead(at, out Bits128 raw);
        ScalableRootEntry root = new(raw);
        bool upper = source.DeviceFunction >= 0x80;
        contextTable = (upper ? root.UpperContextTable : root.LowerContextTable).Value;
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.ScalableRoot, 0, at, new(raw.Word0, raw.Word1, 0, 0, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return FaultReason.ScalableRootAccess;

        // 2. The half of the device must be present; the other one does not matter.
        bool present = upper ? root.UpperPresent : root.LowerPresent;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, present);
        if (!present)
            return FaultReason.ScalableRootNotPresent;

        // 3. No reserved bit may be set in it.
        Bits128 mask = upper ? reserved.RootUpper : reserved.RootLower;
        bool clean = !raw.Any(mask);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, mask.Word0 | mask.Word1, clean);
        return clean ? FaultReason.None : FaultReason.ScalableRootReserved;
    }
}
