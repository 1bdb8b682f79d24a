using System.Numerics;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>The slots of a management device in the guest's memory, and which of them are free.</summary>
/// <param name="loop">Time.</param>
/// <param name="table">The slots.</param>
/// <param name="count">How many, 1 to 32.</param>
internal sealed class ManagementSlots(EventLoop loop, CoherentBuffer table, int count)
{
    private readonly Signal _returned = new(loop);
    private uint _free = count == 32 ? uint.MaxValue : (1u << count) - 1;

    /// <summary>Where they lie.</summary>
    public CoherentBuffer Table => table;

    /// <summary>Takes the lowest free slot, or waits for one.</summary>
    public async ValueTask<int> Take()
    {
        while (_free == 0)
            _ = await _returned.Wait();
        int slot = BitOperations.TrailingZeroCount(_free);
        _free &= _free - 1;
        return slot;
    }

    /// <summary>Gives a slot back that the device has let go of.</summary>
    public void Return(int slot)
    {
        _free |= 1u << slot;
        _returned.Raise();
    }

    /// <summary>Writes a request; its completion is empty.</summary>
    public void Write(int slot, ManagementRequest request)
    {
        int at = slot * ManagementRequest.SlotBytes;
        Bits512 raw = request.Raw;
        table.Memory.Write(at, MemoryMarshal.AsBytes(new ReadOnlySpan<Bits512>(in raw)));
        table.Memory.Write(at + ManagementRequest.CompletionOffset, stackalloc byte[ManagementCompletion.Size]);
    }

    /// <summary>Reads a completion; its result is none while there is none.</summary>
    public ManagementCompletion Read(int slot)
    {
        Bits256 raw = default;
        table.Memory.Read((slot * ManagementRequest.SlotBytes) + ManagementRequest.CompletionOffset, MemoryMarshal.AsBytes(new Span<Bits256>(ref raw)));
        return new(raw);
    }
}
