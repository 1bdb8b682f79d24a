using Dma.Machine;

namespace Dma.Hal;

/// <summary>A processor whose accesses to memory are told to somebody first; it changes nothing.</summary>
/// <param name="cpu">The processor.</param>
/// <param name="accessed">Told of each access: its first byte, its length, whether it writes.</param>
internal sealed class CheckedCpu(ICpu cpu, Action<GuestPhysicalAddress, int, bool> accessed) : ICpu
{
    public Processor Processor => cpu.Processor;

    public byte ApicId => cpu.ApicId;

    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
    {
        accessed(address, destination.Length, false);
        return cpu.TryRead(address, destination);
    }

    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        accessed(address, source.Length, true);
        return cpu.TryWrite(address, source);
    }

    public ulong Load(GuestPhysicalAddress address, int width)
    {
        accessed(address, width, false);
        return cpu.Load(address, width);
    }

    public void Store(GuestPhysicalAddress address, int width, ulong value)
    {
        accessed(address, width, true);
        cpu.Store(address, width, value);
    }

    public uint In(ushort port, int width) => cpu.In(port, width);

    public void Out(ushort port, int width, uint value) => cpu.Out(port, width, value);

    public Signal Vector(byte vector) => cpu.Vector(vector);
}
