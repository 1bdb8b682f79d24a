using System.Globalization;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>A DMA API that watches how it is used: each misuse is kept, with the call that mapped and the one that misused. It changes nothing.</summary>
/// <remarks>
/// <code>
///              Map                SyncForCpu               SyncForDevice            Unmap
///   processor ─────▶ device owns ───────────▶ processor owns ────────────▶ device owns ─────▶ processor
/// </code>
/// The processor is seen where it goes through buffers that came from here. Of the device the faults are seen that whoever
/// reads the log of the remapping unit passes on. The same run gives the same list.
/// </remarks>
public sealed class CheckedDmaSpace : DmaLayer
{
    private const int EndedMax = 1024;

    private readonly CheckedCpu _cpu;
    private readonly List<DmaMisuse> _misuses = [];
    private readonly Dictionary<DmaMapping, LiveDma> _live = [];
    private readonly Queue<(LiveDma Live, DmaCall By)> _ended = new();
    private readonly Dictionary<GuestPhysicalAddress, DmaCall> _allocations = [];
    private readonly Dictionary<DmaMapping, DmaCall> _coherent = [];
    private int _calls;

    /// <summary>A layer that has seen nothing yet.</summary>
    /// <param name="below">What does the work.</param>
    /// <param name="cpu">The processor that the driver runs on.</param>
    public CheckedDmaSpace(IDmaSpace below, ICpu cpu)
        : base(below) => _cpu = new(cpu, CpuAccesses);

    /// <summary>What was wrong, in the order in which it happened.</summary>
    public IReadOnlyList<DmaMisuse> Misuses => _misuses;

    /// <inheritdoc/>
    public override MemoryBuffer Allocate(int length, int alignment = 64)
    {
        DmaCall call = Call($"Allocate({length})");
        MemoryBuffer buffer = Below.Allocate(length, alignment);
        _allocations[buffer.Address] = call;
        return new(_cpu, buffer.Address, buffer.Length);
    }

    /// <inheritdoc/>
    public override DmaRefusal Free(MemoryBuffer buffer)
    {
        DmaCall call = Call($"Free({Name(buffer.Address)}, {buffer.Length})");
        DmaRefusal refusal = Below.Free(buffer);
        if (refusal != DmaRefusal.None)
            Report(DmaMisuseKind.BadFree, call, _live.Values.FirstOrDefault(live => live.Overlaps(buffer.Address.Value, buffer.Length))?.Mapped);
        else
            _ = _allocations.Remove(buffer.Address);
        return refusal;
    }

    /// <inheritdoc/>
    public override async ValueTask<CoherentBuffer> AllocateCoherent(int length)
    {
        DmaCall call = Call($"AllocateCoherent({length})");
        CoherentBuffer buffer = await Below.AllocateCoherent(length);
        _coherent[buffer.Mapping] = call;
        return buffer;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer)
    {
        DmaCall call = Call($"FreeCoherent({Name(buffer.Mapping)})");
        DmaCall? allocated = _coherent.GetValueOrDefault(buffer.Mapping);
        DmaRefusal refusal = await Below.FreeCoherent(buffer);
        if (refusal != DmaRefusal.None)
            Report(DmaMisuseKind.BadFree, call, allocated);
        else
            _ = _coherent.Remove(buffer.Mapping);
        return refusal;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        DmaCall call = Call($"Map({Name(buffer.Address)}, {buffer.Length}, {direction})");
        DmaMapResult result = await Below.Map(buffer, direction);
        if (result.IsMapped)
            Enter(result.Mapping, [new(buffer.Address, buffer.Length)], call);
        return result;
    }

    /// <inheritdoc/>
    public override async ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction)
    {
        DmaCall call = Call($"MapScatterGather({segments.Count} pieces, {direction})");
        ScatterGatherResult result = await Below.MapScatterGather(segments, direction);
        int piece = 0, done = 0;
        foreach (DmaMapping mapping in result.Mappings)
            Enter(mapping, Take(segments, mapping.Length, ref piece, ref done), call);
        return result;
    }

    /// <inheritdoc/>
    public override async ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        DmaCall call = Call($"Unmap({Name(mapping)})");
        if (!_live.Remove(mapping, out LiveDma? live))
            ReportUnknown(call, mapping);
        DmaRefusal refusal = await Below.Unmap(mapping);
        if (live is null)
            return refusal;
        if (refusal != DmaRefusal.None)
            _live.Add(mapping, live);
        else
            End(live, call);
        return refusal;
    }

    /// <inheritdoc/>
    public override DmaRefusal SyncForCpu(DmaMapping mapping, int offset, int length)
    {
        DmaRefusal refusal = Below.SyncForCpu(mapping, offset, length);
        CheckSync("SyncForCpu", mapping, offset, length, refusal)?.GiveToCpu(offset, length);
        return refusal;
    }

    /// <inheritdoc/>
    public override DmaRefusal SyncForDevice(DmaMapping mapping, int offset, int length)
    {
        DmaRefusal refusal = Below.SyncForDevice(mapping, offset, length);
        CheckSync("SyncForDevice", mapping, offset, length, refusal)?.GiveToDevice(offset, length);
        return refusal;
    }

    /// <summary>Tells of a request of the device that the remapping unit refused.</summary>
    /// <param name="address">The address, or any one in the same page, as fault records have it.</param>
    /// <param name="isWrite">Whether it was a write.</param>
    public void DeviceFaulted(Iova address, bool isWrite)
    {
        DmaCall call = new(++_calls, $"{(isWrite ? "write" : "read")} of the device at {Name(address)}", "");
        bool IsThere(DmaMapping mapping) =>
            mapping.DeviceAddress.Page <= address.Page && address.Page <= (mapping.DeviceAddress.Value + (ulong)mapping.Length - 1) >> 12;
        if (_live.Values.FirstOrDefault(live => IsThere(live.Mapping)) is { } live)
            Report(DmaMisuseKind.WrongDirection, call, live.Mapped);
        else if (_ended.LastOrDefault(ended => IsThere(ended.Live.Mapping)) is { Live: { } ended, By: { } by })
            _misuses.Add(new(DmaMisuseKind.UseAfterUnmap, call, ended.Mapped, by));
        else
            Report(DmaMisuseKind.NotMapped, call, null);
    }

    /// <summary>The driver lets go of its device: whatever it has still mapped or allocated is a leak.</summary>
    /// <returns>All misuses.</returns>
    public IReadOnlyList<DmaMisuse> Detach()
    {
        DmaCall call = Call("Detach()");
        foreach (DmaCall left in _live.Values.Select(live => live.Mapped).Concat(_coherent.Values).Concat(_allocations.Values).OrderBy(left => left.Number))
            Report(DmaMisuseKind.Leak, call, left);
        return _misuses;
    }

    private static string Name(GuestPhysicalAddress address) => string.Create(CultureInfo.InvariantCulture, $"memory {address.Value:X}h");

    private static string Name(Iova address) => string.Create(CultureInfo.InvariantCulture, $"{address.Value:X}h");

    private static string Name(DmaMapping mapping) => $"{Name(mapping.DeviceAddress)}, {mapping.Length}, {mapping.Direction}";

    // The memory of the next stretch of a scatter-gather list.
    private static List<BufferSegment> Take(IReadOnlyList<BufferSegment> segments, int length, ref int piece, ref int done)
    {
        List<BufferSegment> taken = [];
        while (length != 0)
        {
            BufferSegment from = segments[piece];
            int step = Math.Min(length, from.Length - done);
            taken.Add(new(from.Address + (ulong)done, step));
            (length, done) = (length - step, done + step);
            if (done == from.Length)
                (piece, done) = (piece + 1, 0);
        }

        return taken;
    }

    private DmaCall Call(string what) => new(++_calls, what, DmaCall.FindCaller());

    private void Report(DmaMisuseKind kind, DmaCall call, DmaCall? mapped) => _misuses.Add(new(kind, call, mapped));

    private void Enter(DmaMapping mapping, IReadOnlyList<BufferSegment> pieces, DmaCall call)
    {
        foreach (BufferSegment piece in pieces)
        {
            if (_live.Values.FirstOrDefault(live => live.Overlaps(piece.Address.Value, piece.Length)) is { } twice)
                Report(DmaMisuseKind.DoubleMap, call, twice.Mapped);
            else if (_live.Values.FirstOrDefault(live => live.IsBeside(piece)) is { } beside)
                Report(DmaMisuseKind.SharedPage, call, beside.Mapped);
        }

        _live[mapping] = new(mapping, pieces, call);
    }

    private void End(LiveDma live, DmaCall call)
    {
        _ended.Enqueue((live, call));
        if (_ended.Count > EndedMax)
            _ = _ended.Dequeue();
    }

    private LiveDma? CheckSync(string name, DmaMapping mapping, int offset, int length, DmaRefusal refusal)
    {
        DmaCall call = Call($"{name}({Name(mapping)}, from {offset}, {length})");
        if (!_live.TryGetValue(mapping, out LiveDma? live))
            ReportUnknown(call, mapping);
        else if (refusal != DmaRefusal.None)
            Report(DmaMisuseKind.NotMapped, call, live.Mapped);
        else
            return live;
        return null;
    }

    // Nothing is mapped exactly so: it was before, or it is in another direction or length, or never was.
    private void ReportUnknown(DmaCall call, DmaMapping mapping)
    {
        if (_live.Values.FirstOrDefault(live => live.Mapping.DeviceAddress == mapping.DeviceAddress) is { } other)
            Report(DmaMisuseKind.WrongDirection, call, other.Mapped);
        else if (_ended.LastOrDefault(ended => ended.Live.Mapping == mapping) is { Live: { } live, By: { } by })
            _misuses.Add(new(DmaMisuseKind.UseAfterUnmap, call, live.Mapped, by));
        else
            Report(DmaMisuseKind.NotMapped, call, null);
    }

    private void CpuAccesses(GuestPhysicalAddress address, int length, bool isWrite)
    {
        foreach (LiveDma live in _live.Values)
        {
            // What the device only reads, the processor may read too.
            bool matters = isWrite || (live.Mapping.Direction & DmaDirection.FromDevice) != 0;
            if (matters && live.Overlaps(address.Value, length) && !live.CpuOwns(address.Value, length))
            {
                Report(DmaMisuseKind.CpuAccess, Call($"{(isWrite ? "write" : "read")} of {length} bytes at {Name(address)}"), live.Mapped);
                return;
            }
        }
    }
}
