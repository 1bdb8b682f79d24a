using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The last answer in a ring whose back end is gone, written by the VMM.</summary>
internal static class RingFarewell
{
    /// <summary>Answers the next request that has no response, if there is one, with <see cref="UrbStatus.Shutdown"/>, which tells the front end that there will be no other.</summary>
    /// <param name="cpu">The processor through which the page is reached.</param>
    /// <param name="page">The page of the ring; what is in it may be anything.</param>
    public static void Write(ICpu cpu, GuestPhysicalAddress page)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        _ = cpu.TryRead(page + SharedRing.ResponseProducer, bytes);
        uint given = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        _ = cpu.TryRead(page + SharedRing.RequestProducer, bytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) == given)
            return;
        UrbResponse last = new() { Status = UrbStatus.Shutdown };
        _ = cpu.TryWrite(page + (ulong)SharedRing.OffsetOf(given, UrbRequest.Size), MemoryMarshal.AsBytes(new ReadOnlySpan<UrbResponse>(in last)));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, given + 1);
        _ = cpu.TryWrite(page + SharedRing.ResponseProducer, bytes);
    }
}
