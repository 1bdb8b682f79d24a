using Dma.Machine;

namespace Dma.Hal;

/// <summary>What firmware does before an operating system looks at the bus: numbers for buses, addresses for BARs, windows for bridges.</summary>
/// <remarks>Memory BARs alone; all of them, prefetchable or not, go through the memory window of the bridges above them, and so below 4 GiB.</remarks>
public static class PciResources
{
    private const ulong BridgeGranule = 1 << 20;
    private const ulong BarGranule = 1 << 12;
    private const int BusMax = 255;

    /// <summary>Gives every bus a number and every memory BAR an address, and opens the bridges on the way.</summary>
    /// <param name="configuration">The way to configuration space.</param>
    /// <param name="start">The first address that BARs may get.</param>
    /// <param name="length">Bytes; the range ends at 4 GiB at most.</param>
    /// <returns>The first address that is still free.</returns>
    /// <exception cref="DeviceException">Addresses or bus numbers ran out, or a BAR is malformed.</exception>
    public static GuestPhysicalAddress Assign(IPciConfiguration configuration, GuestPhysicalAddress start, ulong length)
    {
        if (length > 1ul << 32 || start.Value > (1ul << 32) - length)
            throw new ArgumentOutOfRangeException(nameof(length), "The range ends at 4 GiB at most.");
        Assignment assignment = new(configuration, start.Value, start.Value + length);
        assignment.Bus(0);
        return new(assignment.Next);
    }

    private sealed class Assignment(IPciConfiguration configuration, ulong start, ulong end)
    {
        private int _lastBus;

        public ulong Next { get; private set; } = start;

        // Depth first: what is behind a bridge gets one stretch of bus numbers and one of addresses.
        public void Bus(int bus)
        {
            foreach (PciFunctionInfo function in PciScan.OnBus(configuration, bus))
            {
                IConfigurationAccess space = configuration.Open(function.Location);
                Bars(space, function);
                if (function.IsBridge)
                    Bridge(space, function.Location, bus);
            }
        }

        private void Bars(IConfigurationAccess space, PciFunctionInfo function)
        {
            int count = function.IsBridge ? PciBarSizing.BridgeBars : PciBarSizing.Bars;
            foreach (PciBarInfo bar in PciBarSizing.Read(space, function.Location, count))
            {
                if (bar.Kind != PciBarKind.Memory)
                    continue;
                ulong address = Take(Math.Max(bar.Length, BarGranule), bar.Length, function.Location);
                space.Write32(PciOffset.Bar0 + (4 * bar.Index), (uint)address);
                if (bar.Is64Bit)
                    space.Write32(PciOffset.Bar0 + (4 * bar.Index) + 4, 0);
            }
        }

        private void Bridge(IConfigurationAccess space, SourceId location, int primary)
        {
            if (_lastBus == BusMax)
                throw new DeviceException($"No bus number is left for the bridge {location}.");
            int secondary = ++_lastBus;
            space.Write8(PciOffset.PrimaryBus, (byte)primary);
            space.Write8(PciOffset.SecondaryBus, (byte)secondary);
            space.Write8(PciOffset.SubordinateBus, BusMax);

            ulong first = Take(BridgeGranule, 0, location);
            Bus(secondary);
            ulong last = Take(BridgeGranule, 0, location);

            space.Write8(PciOffset.SubordinateBus, (byte)_lastBus);

            // A window whose base is above its limit is closed; the upper registers name bits 31:20.
            bool isEmpty = first == last;
            space.Write16(PciOffset.MemoryBase, isEmpty ? (ushort)0xFFF0 : (ushort)(first >> 16));
            space.Write16(PciOffset.MemoryLimit, isEmpty ? (ushort)0 : (ushort)((last - 1) >> 16 & 0xFFF0));
            space.Write16(PciOffset.PrefetchableBase, 0xFFF0);
            space.Write16(PciOffset.PrefetchableLimit, 0);
            PciCommand command = (PciCommand)space.Read16(PciOffset.Command) | PciCommand.MemorySpace | PciCommand.BusMaster;
            space.Write16(PciOffset.Command, (ushort)command);
        }

        // The next aligned place, and so many bytes of it.
        private ulong Take(ulong alignment, ulong length, SourceId location)
        {
            ulong address = (Next + alignment - 1) & ~(alignment - 1);
            if (address > end || length > end - address)
                throw new DeviceException($"No addresses are left for {location}: {length:X}h bytes do not fit below {end:X}h.");
            Next = address + length;
            return address;
        }
    }
}
