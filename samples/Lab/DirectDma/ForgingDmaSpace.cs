using Dma.Hal;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The DMA API of a kernel that wants its device to reach what is not its own: it can put lies into its driver's hands.</summary>
/// <remarks>
/// A driver writes into its device what a mapping says. So an ordinary driver attacks as soon as one mapping carries an
/// address of somebody's choice, and it does so with all that real drivers do: queue heads, long transfers, retries.
/// Between two of its calls the guest runs without the VMM; these stretches are told to whoever watches.
/// </remarks>
/// <param name="honest">The API that asks the VMM.</param>
internal sealed class ForgingDmaSpace(IDmaSpace honest) : DmaLayer(honest)
{
    private readonly Dictionary<DmaMapping, CoherentBuffer?> _forged = [];

    /// <summary>The address that the next mapping of data carries, instead of one that the VMM gave.</summary>
    public Iova? NextData { get; set; }

    /// <summary>The address that the next coherent memory carries, instead of one that the VMM gave.</summary>
    public Iova? NextCoherent { get; set; }

    /// <summary>Told after a call: from now on the guest runs alone.</summary>
    public Action GuestRuns { get; set; } = static () => { };

    /// <summary>Told before a call: from now on the VMM may work.</summary>
    public Action VmmRuns { get; set; } = static () => { };

    /// <inheritdoc/>
    public override async ValueTask<CoherentBuffer> AllocateCoherent(int length)
    {
        VmmRuns();
        CoherentBuffer buffer = await Below.AllocateCoherent(length);
        if (NextCoherent is { } address)
        {
            NextCoherent = null;
            CoherentBuffer lie = buffer with { Mapping = buffer.Mapping with { DeviceAddress = address } };
            _forged.Add(lie.Mapping, buffer);
            buffer = lie;
        }

        GuestRuns();
        return buffer;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer)
    {
        VmmRuns();
        CoherentBuffer truth = _forged.Remove(buffer.Mapping, out CoherentBuffer? real) && real is not null ? real : buffer;
        DmaRefusal refusal = await Below.FreeCoherent(truth);
        GuestRuns();
        return refusal;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        if (NextData is { } address)
        {
            NextData = null;
            DmaMapping lie = new(address, buffer.Length, direction);
            _forged.Add(lie, null);
            return DmaMapResult.Mapped(lie);
        }

        VmmRuns();
        DmaMapResult result = await Below.Map(buffer, direction);
        GuestRuns();
        return result;
    }

    /// <inheritdoc/>
    public override async ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction)
    {
        VmmRuns();
        ScatterGatherResult result = await Below.MapScatterGather(segments, direction);
        GuestRuns();
        return result;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        if (_forged.Remove(mapping))
            return DmaRefusal.None;
        VmmRuns();
        DmaRefusal refusal = await Below.Unmap(mapping);
        GuestRuns();
        return refusal;
    }
}
