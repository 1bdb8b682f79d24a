using System.Globalization;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One event on the bus.</summary>
/// <param name="TimeNs">When, in nanoseconds of virtual time.</param>
/// <param name="Kind">What it was.</param>
/// <param name="Source">The requester; zero of an interrupt that arrived.</param>
/// <param name="Address">The address on the bus.</param>
/// <param name="Length">Bytes of a read or write.</param>
/// <param name="Status">What became of a read or write.</param>
/// <param name="Detail">A hash of the bytes that moved, the data of an interrupt, the reason of a fault, the address of a translation, or the group of a page request.</param>
public readonly record struct TraceEvent(
    ulong TimeNs, TraceKind Kind, SourceId Source, ulong Address, int Length, DmaStatus Status, ulong Detail)
{
    /// <summary>One line.</summary>
    public override string ToString() => Kind switch
    {
        TraceKind.Interrupt => string.Create(CultureInfo.InvariantCulture, $"{TimeNs,12} interrupt {Address:X}h data {Detail:X}h"),
        TraceKind.Fault => string.Create(CultureInfo.InvariantCulture, $"{TimeNs,12} {Source} fault {Address:X}h {(FaultReason)Detail}"),
        TraceKind.Translation => string.Create(CultureInfo.InvariantCulture, $"{TimeNs,12} {Source} asks for {Address:X}h {Status} {Detail:X}h"),
        TraceKind.PageRequest => string.Create(CultureInfo.InvariantCulture, $"{TimeNs,12} {Source} requests page {Address:X}h group {Detail}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{TimeNs,12} {Source} {Kind} {Address:X}h +{Length} {Status} #{Detail:X16}"),
    };
}
