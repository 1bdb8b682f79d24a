using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The entry of the interrupt table that a request leads to, as bare bits (VT-d, 7.1 and 7.2 of the reference).</summary>
/// <remarks>It judges nothing: what a rule says of an entry is asked of these bits, and not of the unit under test.</remarks>
/// <param name="Address">Where the request is written to.</param>
/// <param name="Data">Its doubleword.</param>
/// <param name="Entry">The entry, 128 bits; empty where there is none to be read.</param>
/// <param name="IsExtended">Whether destinations are x2APIC ids: EIME.</param>
internal sealed record InterruptPath(ulong Address, uint Data, ulong[] Entry, bool IsExtended)
{
    /// <summary>Whether it is in remappable format.</summary>
    public bool IsRemappable => new Bits64(Address).Bit(4);

    /// <summary>Whether data bits that must be zero are not.</summary>
    public bool HasReservedData => IsRemappable && HasSubhandle && Data >> 16 != 0;

    /// <summary>The index into the table, up to 17 bits.</summary>
    public int Index => (int)((new Bits64(Address).Bits(2, 2) << 15) | new Bits64(Address).Bits(19, 5)) + (HasSubhandle ? (ushort)Data : 0);

    private bool HasSubhandle => new Bits64(Address).Bit(3);

    /// <summary>The interrupt that the entry makes of it.</summary>
    public RecordedInterrupt? Remapped
    {
        get
        {
            if (!IsRemappable || Entry.Length == 0)
                return null;
            Bits64 low = new(Entry[0]);
            ulong destination = IsExtended ? low.Bits(63, 32) : low.Bits(47, 40);
            return new(destination, low.Bit(2), (int)low.Bits(7, 5), (int)low.Bits(23, 16), low.Bit(4));
        }
    }

    /// <summary>The request of a step.</summary>
    /// <returns>Null where the step does not write into the interrupt range.</returns>
    public static InterruptPath? Of(RecordedStep step, ScriptState state)
    {
        bool isWrite = step.Kind == StepKind.Message || (step.Kind == StepKind.DmaWrite && step.Bytes.Length >= 4);
        if (!isWrite || !InterruptRange.Contains(step.Address))
            return null;
        uint data = step.Kind == StepKind.Message ? (uint)step.Value : BinaryPrimitives.ReadUInt32LittleEndian(step.Bytes);
        InterruptPath path = new(step.Address, data, [], new Bits64(state.InterruptTable).Bit(11) && state.Hardware.ExtendedCapabilities.ExtendedInterruptMode);
        ulong[] entry = new ulong[2];
        PhysicalAddress place = new((state.InterruptTable & Bits64.Mask(51, 12)) + (16 * (ulong)path.Index));
        return state.Memory.TryRead(place, MemoryMarshal.AsBytes(entry.AsSpan())) ? path with { Entry = entry } : path;
    }
}
