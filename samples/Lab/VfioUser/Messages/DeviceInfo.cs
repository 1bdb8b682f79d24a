using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>What the device is (vfio-user, DEVICE_GET_INFO).</summary>
/// <param name="ArgumentSize">Of a command, the most that the reply may have; of a reply, what it needs.</param>
/// <param name="Flags">Bit 0: it can be reset; bit 1: it is a PCI device.</param>
/// <param name="Regions">How many regions there are.</param>
/// <param name="InterruptTypes">How many types of interrupts there are.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct DeviceInfo(uint ArgumentSize, uint Flags, uint Regions, uint InterruptTypes)
{
    /// <summary>Bit 0 of the flags.</summary>
    public const uint CanReset = 1 << 0;

    /// <summary>Bit 1 of the flags.</summary>
    public const uint IsPci = 1 << 1;
}
