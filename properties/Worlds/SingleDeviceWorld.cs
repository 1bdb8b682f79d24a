using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host that uses two USB disks behind one controller, and gives either of them to VMs.</summary>
internal sealed class SingleDeviceWorld : IDisposable
{
    public const int BlockBytes = 512;
    private const int ControllerPlace = 0x1D;
    private const byte Vector = 0x41;
    private const ulong MiB = 1 << 20;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly UsbController _controller;

    public SingleDeviceWorld(string controller, int contentBytes = 32 * 1024)
    {
        Host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Trace = Trace, WatchModels = Models.Around });
        _controller = UsbControllers.Create(controller, Host.Loop);
        Host.Pci.Add(_controller.Function, ControllerPlace);
        Random random = new(3);
        for (int index = 0; index < 2; index++)
        {
            Contents[index] = new byte[contentBytes];
            random.NextBytes(Contents[index]);
            Devices[index] = new(new MassStorageDevice(new MemoryDiskImage([.. Contents[index]], isWritable: true)));
            Ports[index] = _controller.FreePortFor(Devices[index].Speed)!;
            Ports[index].Plug(Devices[index]);
            Drivers[index] = new();
        }

        Host.Boot();
        Stack = new(Host, _controller.Function.Source);
    }

    public Host Host { get; }

    public BusTrace Trace { get; } = new();

    /// <summary>What controllers that are made of software write, and when they interrupt.</summary>
    public ModelWatch Models { get; } = new();

    /// <summary>What packets take of each microframe of the buses, those of modelled controllers too.</summary>
    public List<MicroframeWatch> Buses { get; } = [];

    public SourceId Source => _controller.Function.Source;

    public HostUsbStack Stack { get; }

    public byte[][] Contents { get; } = new byte[2][];

    public CountedDevice[] Devices { get; } = new CountedDevice[2];

    public UsbPort[] Ports { get; } = new UsbPort[2];

    public HostDisk[] Drivers { get; } = new HostDisk[2];

    public UsbDeviceAssignment[] Assignments { get; } = new UsbDeviceAssignment[2];

    /// <summary>The host takes its controller, and both disks get their drivers.</summary>
    public async Task Start()
    {
        await Stack.Start();
        for (int index = 0; index < 2; index++)
        {
            HostUsbDevice device = new(Stack, _controller.PortOf(Devices[index]), Drivers[index]);
            Assert.True(await device.LogIn());
            Assignments[index] = new(device);
        }
    }

    /// <summary>A VM and who mediates for it.</summary>
    public IUsbMediator CreateMachine(IoModel model, string name = "VM")
    {
        VirtualMachine machine = Host.CreateMachine(name, 4 * MiB);
        return model == IoModel.Split
            ? new UsbBackEnd(machine, Stack)
            : new EmulatedUsbController(machine, UsbControllers.Create(UsbControllers.Ehci, Host.Loop).Function, _place);
    }

    /// <summary>The guest's driver for its way to USB devices.</summary>
    public static async Task<IUsbHostController> StartGuest(IUsbMediator mediator)
    {
        GuestCpu cpu = mediator.Machine.Cpu;
        FrameAllocator frames = new(new(MiB), 3 * MiB);
        if (mediator is UsbBackEnd)
            return await ParavirtualUsbDriver.Start(cpu, cpu, frames, Vector);
        return await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), _place, new IdentityDmaSpace(cpu, frames), Vector));
    }

    /// <summary>A guest starts its drivers, reads the disk that it was given, and stops them.</summary>
    public static async Task<byte[]> ReadByGuest(IUsbMediator mediator, int port = 1) => await DiskReader.ReadAll(await StartGuest(mediator), port);

    /// <summary>The host reads a disk.</summary>
    public async Task<byte[]> ReadByHost(int index)
    {
        byte[] content = new byte[Contents[index].Length];
        await Drivers[index].Read(0, content);
        return content;
    }

    /// <summary>Waits until a disk is in the middle of its data.</summary>
    public async Task UntilBusy(int index)
    {
        const int Packets = 120;
        while (Devices[index].Packets < Packets)
            await Host.Loop.Delay(WireTime.MicroframeNs);
    }

    public void Dispose() => Host.Dispose();
}
