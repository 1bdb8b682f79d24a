using Dma.Machine;

namespace Dma.Hal;

/// <summary>Finds the functions on bus 0 and behind all bridges that have bus numbers.</summary>
public static class PciScan
{
    private const ushort NoVendor = 0xFFFF;
    private const int DevicesPerBus = 32;
    private const int FunctionsPerDevice = 8;
    private const int Buses = 256;
    private const int MultiFunctionBit = 0x80;
    private const int BridgeLayout = 1;

    /// <summary>All functions, a bus before the buses behind it.</summary>
    /// <param name="configuration">The way to their configuration spaces.</param>
    /// <exception cref="DeviceException">Two bridges lead to the same bus, or one leads back.</exception>
    public static IReadOnlyList<PciFunctionInfo> Enumerate(IPciConfiguration configuration)
    {
        List<PciFunctionInfo> functions = [];
        bool[] seen = new bool[Buses];
        Queue<int> buses = new([0]);
        seen[0] = true;
        while (buses.TryDequeue(out int bus))
        {
            foreach (PciFunctionInfo function in OnBus(configuration, bus))
            {
                functions.Add(function);
                if (function.SecondaryBus == 0)
                    continue;
                if (seen[function.SecondaryBus])
                    throw new DeviceException($"The bridge {function.Location} leads to bus {function.SecondaryBus:x2}, where another way leads already.");
                seen[function.SecondaryBus] = true;
                buses.Enqueue(function.SecondaryBus);
            }
        }

        return functions;
    }

    /// <summary>Who a function says it is.</summary>
    /// <param name="space">Its configuration space.</param>
    public static PciIdentity IdentityOf(IConfigurationAccess space) => new(
        space.Read16(PciOffset.VendorId),
        space.Read16(PciOffset.DeviceId),
        space.Read32(PciOffset.Revision) >> 8,
        space.Read8(PciOffset.Revision),
        space.Read16(PciOffset.SubsystemVendorId),
        space.Read16(PciOffset.SubsystemId));

    /// <summary>The functions on one bus.</summary>
    internal static IEnumerable<PciFunctionInfo> OnBus(IPciConfiguration configuration, int bus)
    {
        for (int device = 0; device < DevicesPerBus; device++)
        {
            int functions = 1;
            for (int number = 0; number < functions; number++)
            {
                SourceId location = new(bus, device, number);
                IConfigurationAccess space = configuration.Open(location);
                ushort vendor = space.Read16(PciOffset.VendorId);
                if (vendor == NoVendor)
                    continue;
                byte header = space.Read8(PciOffset.HeaderType);
                if (number == 0 && (header & MultiFunctionBit) != 0)
                    functions = FunctionsPerDevice;
                bool isBridge = (header & ~MultiFunctionBit) == BridgeLayout;
                yield return new(
                    location,
                    vendor,
                    space.Read16(PciOffset.DeviceId),
                    space.Read32(PciOffset.Revision) >> 8,
                    isBridge,
                    isBridge ? space.Read8(PciOffset.SecondaryBus) : (byte)0);
            }
        }
    }
}
