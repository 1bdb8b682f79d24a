using Dma.Hal;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>A processor whose accesses are known to be those of a VM, also where its software waited in between.</summary>
/// <param name="cpu">The processor.</param>
/// <param name="world">Who knows.</param>
/// <param name="guest">The VM.</param>
internal sealed class HalCpu(ICpu cpu, IsolationWorld world, WorldGuest guest) : ICpu
{
    /// <inheritdoc/>
    public Processor Processor => cpu.Processor;

    /// <inheritdoc/>
    public byte ApicId => cpu.ApicId;

    /// <inheritdoc/>
    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        return cpu.TryRead(address, destination);
    }

    /// <inheritdoc/>
    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        return cpu.TryWrite(address, source);
    }

    /// <inheritdoc/>
    public ulong Load(GuestPhysicalAddress address, int width)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        return cpu.Load(address, width);
    }

    /// <inheritdoc/>
    public void Store(GuestPhysicalAddress address, int width, ulong value)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        cpu.Store(address, width, value);
    }

    /// <inheritdoc/>
    public uint In(ushort port, int width)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        return cpu.In(port, width);
    }

    /// <inheritdoc/>
    public void Out(ushort port, int width, uint value)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        cpu.Out(port, width, value);
    }

    /// <inheritdoc/>
    public Signal Vector(byte vector) => cpu.Vector(vector);
}
