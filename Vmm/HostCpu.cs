using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The host's processor: what the software that runs on it believes to be physical is physical.</summary>
/// <param name="processor">Its time.</param>
/// <param name="bus">What it is connected to.</param>
/// <param name="interrupts">Where interrupt messages for it arrive.</param>
/// <param name="apicId">Its id.</param>
/// <param name="beforeWrite">What happens before each of its writes, to memory or registers; an exception from there stops the software before it.</param>
public sealed class HostCpu(Processor processor, SystemBus bus, InterruptRouter interrupts, byte apicId, Action? beforeWrite = null) : ICpu
{
    /// <inheritdoc/>
    public Processor Processor => processor;

    /// <inheritdoc/>
    public byte ApicId => apicId;

    /// <summary>How it takes interrupts.</summary>
    public InterruptGates Gates { get; } = interrupts.ProcessorOf(apicId);

    /// <inheritdoc/>
    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination) =>
        bus.Memory.TryRead(new PhysicalAddress(address.Value), destination);

    /// <inheritdoc/>
    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        beforeWrite?.Invoke();
        return bus.Memory.TryWrite(new PhysicalAddress(address.Value), source);
    }

    /// <inheritdoc/>
    public ulong Load(GuestPhysicalAddress address, int width) => IsOwnApic(address, width)
        ? Gates.Apic.Read(address.Value - LocalApic.Start, width) & RegisterFile.AllOnes(width)
        : bus.Load(new(address.Value), width);

    /// <inheritdoc/>
    public void Store(GuestPhysicalAddress address, int width, ulong value)
    {
        beforeWrite?.Invoke();
        if (IsOwnApic(address, width))
            Gates.Apic.Write(address.Value - LocalApic.Start, width, value);
        else
            bus.Store(new(address.Value), width, value);
    }

    /// <inheritdoc/>
    public uint In(ushort port, int width) => bus.In(port, width);

    /// <inheritdoc/>
    public void Out(ushort port, int width, uint value) => bus.Out(port, width, value);

    /// <inheritdoc/>
    public Signal Vector(byte vector) => Gates.Connect(vector);

    // Each processor finds its own local APIC at the same place, before anything on the bus answers.
    private static bool IsOwnApic(GuestPhysicalAddress address, int width) => address.Value - LocalApic.Start <= LocalApic.Length - (ulong)width;
}
