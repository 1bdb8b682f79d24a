using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A machine without a VMM: memory, one processor, a PCI hierarchy, and a remapping unit or none.</summary>
/// <remarks>Where the unit tracks what is stale, software of this machine may never let a device use any of it.</remarks>
internal sealed class BareMetal : IDisposable, IRemappingObserver
{
    public const ulong UnitAddress = 0xFED9_0000;

    public BareMetal(HardwareProfile? profile = null, ulong memory = 3ul << 30)
    {
        Memory = new(memory);
        Bus = new(Memory);
        Loop = new();
        Interrupts = new(Loop);
        Cpu = new(new("cpu", Loop, CostModel.Default), Bus, Interrupts, apicId: 3);
        Unit = profile is null ? null : new(Memory, Interrupts, profile, Loop) { Observer = this };
        if (Unit is not null)
            Bus.AddWindow(new(UnitAddress), (ulong)Unit.WindowLength, Unit);
        Pci = new(Bus, (IDmaFabric?)Unit ?? new DirectFabric(Memory, Interrupts));
    }

    public PhysicalMemory Memory { get; }

    public SystemBus Bus { get; }

    public EventLoop Loop { get; }

    public InterruptRouter Interrupts { get; }

    public HostCpu Cpu { get; }

    public RemappingUnit? Unit { get; }

    public PciHost Pci { get; }

    /// <summary>Frames for software, clear of where tests let devices write.</summary>
    public FrameAllocator Frames { get; } = new(new(16 << 20), 32 << 20);

    /// <summary>What devices were answered from caches that no longer says what tables say.</summary>
    public List<StaleUse> StaleUses { get; } = [];

    public void StaleEntryUsed(StaleUse use) => StaleUses.Add(use);

    public void FaultDetected(in RemappingFault fault, FaultDisposition disposition)
    {
    }

    public void Dispose()
    {
        Memory.Dispose();
        Assert.Empty(StaleUses);
    }
}
