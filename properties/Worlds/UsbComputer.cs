using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A computer without VMM and without remapping: a processor, memory, and a USB controller with one device.</summary>
internal sealed class UsbComputer : IDisposable
{
    private const byte Vector = 0x40;
    private const int DeviceNumber = 4;
    private const ulong MemoryBytes = 64 << 20;
    private static readonly GuestPhysicalAddress s_barStart = new(0xC000_0000);

    private readonly PhysicalMemory _memory = new(MemoryBytes);

    private readonly EhciController? _ehci;

    /// <summary>With an EHCI controller.</summary>
    public UsbComputer(IUsbDevice? device, EhciOptions? options = null, Func<IDmaFabric, IDmaFabric>? fabric = null)
        : this(new EventLoop(), loop => new EhciController(loop, options), fabric)
    {
        if (device is not null)
            Ports[0].Plug(device);
    }

    /// <summary>With an xHCI controller.</summary>
    public UsbComputer(XhciOptions options, Func<IDmaFabric, IDmaFabric>? fabric = null)
        : this(new EventLoop(), loop => new XhciController(loop, options), fabric)
    {
    }

    private UsbComputer(EventLoop loop, Func<EventLoop, PciFunction> build, Func<IDmaFabric, IDmaFabric>? fabric)
    {
        Loop = loop;
        SystemBus bus = new(_memory);
        InterruptRouter interrupts = new(Loop);
        IDmaFabric direct = new DirectFabric(_memory, interrupts);
        PciHost pci = new(bus, fabric is null ? direct : fabric(direct));
        PciFunction controller = build(Loop);
        pci.Add(controller, DeviceNumber);
        _ehci = controller as EhciController;
        Ports = _ehci?.Usb.Ports ?? ((XhciController)controller).Ports;

        HostCpu cpu = new(new("cpu", Loop, CostModel.Default), bus, interrupts, apicId: 0);
        PciConfigurationPorts configuration = new(cpu);
        _ = PciResources.Assign(configuration, s_barStart, 16 << 20);
        Dma = new(cpu, new(new(1 << 20), MemoryBytes - (1 << 20)));
        Device = PciDevice.Open(cpu, configuration, new(0, DeviceNumber, 0), Dma, Vector);
    }

    public EventLoop Loop { get; }

    public EhciController Controller => _ehci ?? throw new InvalidOperationException("The controller is no EHCI controller.");

    /// <summary>The ports of the controller, whichever it is.</summary>
    public IReadOnlyList<UsbPort> Ports { get; }

    public IdentityDmaSpace Dma { get; }

    public PciDevice Device { get; }

    /// <summary>With a controller of either kind, and a device at its first port.</summary>
    public static UsbComputer With(bool isXhci, IUsbDevice? device, Func<IDmaFabric, IDmaFabric>? fabric = null)
    {
        if (!isXhci)
            return new(device, fabric: fabric);
        UsbComputer computer = new(new XhciOptions(), fabric);
        if (device is not null)
            computer.Ports[0].Plug(device);
        return computer;
    }

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
