using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The hypercalls of a service VM that name pieces of pages: the list lies in memory while the call lasts.</summary>
/// <param name="cpu">The processor.</param>
/// <param name="gate">The way to the VMM.</param>
/// <param name="list">Where lists lie.</param>
internal sealed class ServiceCalls(ICpu cpu, IHypercallGate gate, MemoryBuffer list)
{
    private readonly Gate _turn = new();

    /// <summary>The way to the VMM.</summary>
    public IHypercallGate Gate => gate;

    /// <summary>Maps pages.</summary>
    public ValueTask<HypercallResult> Map(int frontEnd, GrantMapFlags flags, ReadOnlyMemory<UrbSegment> segments) =>
        WithList(Hypercall.MapGrants, (uint)frontEnd | ((ulong)flags << 8), segments, 0);

    /// <summary>Unmaps pages.</summary>
    public ValueTask<HypercallResult> Unmap(int frontEnd, ulong address) => gate.Call(Hypercall.UnmapGrants, (ulong)frontEnd, address);

    /// <summary>Copies pieces from or to memory.</summary>
    public ValueTask<HypercallResult> Copy(int frontEnd, bool isWritten, ReadOnlyMemory<UrbSegment> segments, GuestPhysicalAddress own) =>
        WithList(Hypercall.CopyGrants, (uint)frontEnd | (isWritten ? 1ul << 8 : 0), segments, own.Value);

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<HypercallResult> WithList(Hypercall number, ulong who, ReadOnlyMemory<UrbSegment> segments, ulong last)
    {
        await _turn.Enter();
        try
        {
            // A VM that has ended has no memory, and its calls are refused.
            _ = cpu.TryWrite(list.Address, MemoryMarshal.AsBytes(segments.Span));
            return await gate.Call(number, who, list.Address.Value, (ulong)segments.Length, last);
        }
        finally
        {
            _turn.Leave();
        }
    }
}
