using System.Buffers.Binary;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Reads the EPT of each VM, as bytes in memory: a VM reaches its own memory, and registers of devices that it has.</summary>
/// <param name="world">The world.</param>
internal sealed class EptCheck(IsolationWorld world)
{
    private const int PageBytes = 4096;
    private const int IndexBits = 9;
    private const int EntryBytes = 8;

    private readonly byte[][] _tables = [new byte[PageBytes], new byte[PageBytes], new byte[PageBytes], new byte[PageBytes]];

    /// <summary>Reads all tables.</summary>
    public void Run()
    {
        foreach (WorldGuest guest in world.Guests)
        {
            if (guest.Machine is { IsRunning: true } machine)
                Check(guest, machine.Memory.Tables.Pointer.Root, level: 4, address: 0);
        }
    }

    private void Check(WorldGuest guest, PhysicalAddress table, int level, ulong address)
    {
        byte[] bytes = _tables[level - 1];
        if (world.Monitor.OwnerOf(table.Page) >= 0 || !world.Host.Memory.TryRead(table, bytes))
        {
            world.Violate("U1", $"an EPT table of VM {guest.Name} is at {table}, which is not the VMM's");
            return;
        }

        for (int index = 0; index < PageBytes / EntryBytes; index++)
        {
            EptEntry entry = new(BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(index * EntryBytes)));
            if (!entry.IsPresent)
                continue;
            int shift = 12 + (IndexBits * (level - 1));
            ulong at = address + ((ulong)index << shift);
            if (level > 1 && !entry.MapsPage)
                Check(guest, entry.Address, level - 1, at);
            else
                CheckPage(guest, at, entry.Address, 1ul << shift);
        }
    }

    private void CheckPage(WorldGuest guest, ulong at, PhysicalAddress target, ulong length)
    {
        if (target.Value >= world.Host.Options.MemoryBytes)
        {
            if (!world.Devices.Any(device => device.Assignment.Machine == guest.Machine && IsWithin(target.Value, length, device)))
                world.Violate("K5", $"VM {guest.Name} reaches registers at {target}, and has no such device");
            return;
        }

        for (ulong frame = target.Page; frame < (target + length).Page; frame++)
        {
            if (world.Monitor.OwnerOf(frame) != guest.Index)
                world.Violate("U1", $"page {at:X}h of VM {guest.Name} is frame {frame:X}h, which is not its own");
        }
    }

    private static bool IsWithin(ulong start, ulong length, WorldDevice device) =>
        device.Bar != 0 && start >= device.Bar && start + length <= device.Bar + Math.Max(device.BarBytes, PageBytes);
}
