using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A machine without a VMM: memory, one processor, a PCI hierarchy, and a remapping unit or none.</summary>
internal sealed class BareMetal : IDisposable
{
    public const ulong UnitAddress = 0xFED9_0000;

    public BareMetal(HardwareProfile? profile = null, ulong memory = 3ul << 30)
    {
        Memory = new(memory);
        Bus = new(Memory);
        Loop = new();
        Interrupts = new(Loop);
        Cpu = new(new("cpu", Loop, CostModel.Default), Bus, Interrupts);
        Unit = profile is null ? null : new(Memory, Interrupts, profile);
        if (Unit is not null)
            Bus.AddWindow(new(UnitAddress), (ulong)Unit.WindowLength, Unit);
        Pci = new(Bus, (IDmaFabric?)Unit ?? new DirectFabric(Memory, Interrupts));
    }

    public PhysicalMemory Memory { get; }

    public SystemBus Bus { get; }

    public EventLoop Loop { get; }

    public InterruptRouter Interrupts { get; }

    public BareCpu Cpu { get; }

    public RemappingUnit? Unit { get; }

    public PciHost Pci { get; }

    /// <summary>Frames for software, clear of where tests let devices write.</summary>
    public FrameAllocator Frames { get; } = new(new(16 << 20), 32 << 20);

    public void Dispose() => Memory.Dispose();
}

/// <summary>A processor on the system bus; what it believes to be physical is physical.</summary>
internal sealed class BareCpu(Processor processor, SystemBus bus, InterruptRouter interrupts) : ICpu
{
    public Processor Processor => processor;

    public byte ApicId => 3;

    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination) => bus.Memory.TryRead(new PhysicalAddress(address.Value), destination);

    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source) => bus.Memory.TryWrite(new PhysicalAddress(address.Value), source);

    public ulong Load(GuestPhysicalAddress address, int width) => bus.Load(new(address.Value), width);

    public void Store(GuestPhysicalAddress address, int width, ulong value) => bus.Store(new(address.Value), width, value);

    public uint In(ushort port, int width) => bus.In(port, width);

    public void Out(ushort port, int width, uint value) => bus.Out(port, width, value);

    public Signal Vector(byte vector) => interrupts.Connect(ApicId, vector);
}
