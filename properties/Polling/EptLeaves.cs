using System.Buffers.Binary;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>What the EPT of a VM maps, read out of its tables as bytes in memory.</summary>
internal static class EptLeaves
{
    private const int PageBytes = 4096;
    private const int IndexBits = 9;
    private const int TopLevel = 4;

    /// <summary>Finds each page of 4 KiB that a VM reaches, those of larger pages one by one.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="found">Is told where it reaches the page, and which frame it is.</param>
    public static void Find(VirtualMachine machine, Action<GuestPhysicalAddress, PhysicalAddress> found) =>
        Find(machine.Host.Memory, machine.Memory.Tables.Pointer.Root, TopLevel, address: 0, found);

    private static void Find(PhysicalMemory memory, PhysicalAddress table, int level, ulong address, Action<GuestPhysicalAddress, PhysicalAddress> found)
    {
        Span<byte> entries = stackalloc byte[PageBytes];
        Assert.True(memory.TryRead(table, entries));
        int shift = 12 + (IndexBits * (level - 1));
        for (int index = 0; index < PageBytes / sizeof(ulong); index++)
        {
            EptEntry entry = new(BinaryPrimitives.ReadUInt64LittleEndian(entries[(index * sizeof(ulong))..]));
            ulong at = address + ((ulong)index << shift);
            if (entry.IsPresent && level > 1 && !entry.MapsPage)
                Find(memory, entry.Address, level - 1, at, found);
            for (ulong done = 0; entry.IsPresent && (level == 1 || entry.MapsPage) && done < 1ul << shift; done += PageBytes)
                found(new(at + done), entry.Address + done);
        }
    }
}
