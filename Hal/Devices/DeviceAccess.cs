using Dma.Machine;

namespace Dma.Hal;

/// <summary>The one place where software touches device registers, and where it is charged for that.</summary>
/// <remarks>
/// A load waits for the answer of the device, and a port access in either direction waits for its completion: each is
/// one <see cref="Cost.RegisterAccess"/>. A store to memory space is posted, and the processor goes on. Where a VMM
/// stands in between, it charges its exits on top.
/// </remarks>
internal static class DeviceAccess
{
    public static ulong LoadRegister(this ICpu cpu, GuestPhysicalAddress address, int width)
    {
        cpu.Processor.Charge(Cost.RegisterAccess);
        return cpu.Load(address, width);
    }

    public static void StoreRegister(this ICpu cpu, GuestPhysicalAddress address, int width, ulong value) =>
        cpu.Store(address, width, value);

    public static uint InPort(this ICpu cpu, ushort port, int width)
    {
        cpu.Processor.Charge(Cost.RegisterAccess);
        return cpu.In(port, width);
    }

    public static void OutPort(this ICpu cpu, ushort port, int width, uint value)
    {
        cpu.Processor.Charge(Cost.RegisterAccess);
        cpu.Out(port, width, value);
    }
}
