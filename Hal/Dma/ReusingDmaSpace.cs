using Dma.Machine;

namespace Dma.Hal;

/// <summary>A DMA API that leaves mappings in place for a while after their unmap: the same buffer, mapped again, costs nothing.</summary>
/// <remarks>
/// <code>
///   Map      ──▶ the same buffer and direction kept?  yes: taken again      no: mapped below
///   Unmap    ──▶ kept; the oldest goes when too many are kept, or when it was kept long enough
///   Free     ──▶ memory behind a kept mapping is given back when that goes: nobody else gets it while the device reaches it
/// </code>
/// Until a kept mapping goes, the device can still use it.
/// </remarks>
/// <param name="below">What really maps.</param>
/// <param name="loop">Time.</param>
/// <param name="options">How many mappings are kept, and how long.</param>
public sealed class ReusingDmaSpace(IDmaSpace below, EventLoop loop, MappingOptions options) : DmaLayer(below)
{
    private readonly LinkedList<Kept> _kept = [];
    private readonly Dictionary<(GuestPhysicalAddress Address, int Length, DmaDirection Direction), LinkedListNode<Kept>> _byBuffer = [];
    private readonly Dictionary<DmaMapping, MemoryBuffer> _live = [];
    private readonly List<MemoryBuffer> _leaving = [];
    private bool _isTimed;

    /// <summary>How many mappings are kept that the driver has unmapped.</summary>
    public int KeptCount => _kept.Count;

    /// <summary>How many maps found theirs kept.</summary>
    public ulong Reused { get; private set; }

    /// <inheritdoc/>
    public override DmaRefusal Free(MemoryBuffer buffer)
    {
        DmaRefusal refusal = Below.Free(buffer);
        if (refusal != DmaRefusal.StillMapped || _live.Values.Any(live => Overlaps(live, buffer)))
            return refusal;

        // Only kept mappings hold it: it goes with the last of them.
        if (_leaving.Exists(leaving => leaving.Address == buffer.Address))
            return DmaRefusal.NotAllocated;
        _leaving.Add(buffer);
        return DmaRefusal.None;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        if (_byBuffer.Remove((buffer.Address, buffer.Length, direction), out LinkedListNode<Kept>? node))
        {
            _kept.Remove(node);
            Reused++;
            _live[node.Value.Mapping] = buffer;
            return DmaMapResult.Mapped(node.Value.Mapping);
        }

        DmaMapResult result = await Below.Map(buffer, direction);
        if (result.Refusal == DmaRefusal.Exhausted && _kept.Count != 0)
        {
            await Drain();
            result = await Below.Map(buffer, direction);
        }

        if (result.IsMapped)
            _live[result.Mapping] = buffer;
        return result;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        if (!_live.Remove(mapping, out MemoryBuffer? buffer))
            return await Below.Unmap(mapping);
        (GuestPhysicalAddress, int, DmaDirection) key = (buffer.Address, buffer.Length, mapping.Direction);
        if (_byBuffer.ContainsKey(key))
            return await Below.Unmap(mapping);
        _byBuffer.Add(key, _kept.AddLast(new Kept(mapping, buffer, loop.NowNs)));
        while (_kept.Count > options.WaitingMax)
            await Drop(_kept.First!);
        StartTimer();
        return DmaRefusal.None;
    }

    /// <summary>Gives up all kept mappings; when it completes, the device reaches nothing that the driver has unmapped.</summary>
    public async ValueTask Drain()
    {
        while (_kept.First is { } oldest)
            await Drop(oldest);
    }

    private static bool Overlaps(MemoryBuffer one, MemoryBuffer other) =>
        one.Address.Value < other.Address.Value + (ulong)other.Length && other.Address.Value < one.Address.Value + (ulong)one.Length;

    private async ValueTask Drop(LinkedListNode<Kept> node)
    {
        _kept.Remove(node);
        _ = _byBuffer.Remove((node.Value.Buffer.Address, node.Value.Buffer.Length, node.Value.Mapping.Direction));

        // A device that was taken away took its mappings with it: then there is nothing left to unmap.
        _ = await Below.Unmap(node.Value.Mapping);
        _ = _leaving.RemoveAll(buffer => Below.Free(buffer) != DmaRefusal.StillMapped);
    }

    private void StartTimer()
    {
        if (_isTimed)
            return;
        _isTimed = true;
        loop.Start(DropInTime);
    }

    private async Task DropInTime()
    {
        while (_kept.First is { } oldest)
        {
            ulong keptNs = loop.NowNs - oldest.Value.SinceNs;
            if (keptNs < options.WaitingNsMax)
                await loop.Delay(options.WaitingNsMax - keptNs);
            else
                await Drop(oldest);
        }

        _isTimed = false;
    }

    private readonly record struct Kept(DmaMapping Mapping, MemoryBuffer Buffer, ulong SinceNs);
}
