using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A computer without VMM and without remapping: a processor, memory, and an EHCI controller with one device.</summary>
internal sealed class UsbComputer : IDisposable
{
    private const byte Vector = 0x40;
    private const int DeviceNumber = 4;
    private const ulong MemoryBytes = 64 << 20;
    private static readonly GuestPhysicalAddress s_barStart = new(0xC000_0000);

    private readonly PhysicalMemory _memory = new(MemoryBytes);

    public UsbComputer(IUsbDevice? device, EhciOptions? options = null, Func<IDmaFabric, IDmaFabric>? fabric = null)
    {
        SystemBus bus = new(_memory);
        InterruptRouter interrupts = new(Loop);
        IDmaFabric direct = new DirectFabric(_memory, interrupts);
        PciHost pci = new(bus, fabric is null ? direct : fabric(direct));
        Controller = new(Loop, options);
        pci.Add(Controller, DeviceNumber);
        if (device is not null)
            Controller.Usb.Ports[0].Plug(device);

        HostCpu cpu = new(new("cpu", Loop, CostModel.Default), bus, interrupts, apicId: 0);
        PciConfigurationPorts configuration = new(cpu);
        _ = PciResources.Assign(configuration, s_barStart, 16 << 20);
        Dma = new(cpu, new(new(1 << 20), MemoryBytes - (1 << 20)));
        Device = PciDevice.Open(cpu, configuration, new(0, DeviceNumber, 0), Dma, Vector);
    }

    public EventLoop Loop { get; } = new();

    public EhciController Controller { get; }

    public IdentityDmaSpace Dma { get; }

    public PciDevice Device { get; }

    /// <summary>What lies in a mapped buffer; here device addresses are memory addresses.</summary>
    public int ReadInt32(DmaMapping mapping, int offset)
    {
        Span<byte> bytes = stackalloc byte[4];
        Assert.True(_memory.TryRead(new PhysicalAddress(mapping.DeviceAddress.Value) + (ulong)offset, bytes));
        return BitConverter.ToInt32(bytes);
    }

    /// <summary>Changes what lies in a mapped buffer.</summary>
    public void WriteInt32(DmaMapping mapping, int offset, int value) =>
        Assert.True(_memory.TryWrite(new PhysicalAddress(mapping.DeviceAddress.Value) + (ulong)offset, BitConverter.GetBytes(value)));

    public void Dispose() => _memory.Dispose();
}
