using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory of a guest as a remapping unit sees it: guest-physical addresses, and each access through EPT.</summary>
/// <param name="machine">The VM.</param>
/// <param name="start">Where this part begins in the guest.</param>
internal sealed class GuestMemoryView(VirtualMachine machine, GuestPhysicalAddress start) : IRemoteMemory
{
    /// <summary>All memory of a guest, in its places.</summary>
    public static PhysicalMemory Of(VirtualMachine machine)
    {
        PhysicalMemory memory = new();
        foreach ((ulong first, ulong length) in MemoryLayout.Memory(machine.Memory.Bytes))
            memory.AddRemote(new(first), length, new GuestMemoryView(machine, new(first)));
        return memory;
    }

    /// <inheritdoc/>
    public bool TryRead(ulong offset, Span<byte> destination) => machine.IsRunning && machine.Cpu.TryRead(start + offset, destination);

    /// <inheritdoc/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source) => machine.IsRunning && machine.Cpu.TryWrite(start + offset, source);

    /// <inheritdoc/>
    /// <remarks>Nothing else runs between the two accesses.</remarks>
    public bool TryCompareExchange(ulong offset, ulong expected, ulong replacement, out ulong found)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        found = 0;
        if (!TryRead(offset, bytes))
            return false;
        found = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (found != expected)
            return true;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, replacement);
        return TryWrite(offset, bytes);
    }
}
