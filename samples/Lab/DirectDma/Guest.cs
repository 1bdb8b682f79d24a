using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The software of VM 1 below its drivers: it finds its device and gives it to them. This is the HAL of a guest.</summary>
internal sealed class Guest : IDevice
{
    private const byte DeviceVector = 0x40;
    private const ulong KernelBytes = 1 << 20;

    private readonly PciDevice _device;

    private Guest(VirtualMachine machine, PciDevice device, ForgingDmaSpace dma) =>
        (Machine, _device, Memory) = (machine, device, dma);

    /// <summary>The VM that it runs in.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its DMA API, which can lie.</summary>
    public ForgingDmaSpace Memory { get; }

    /// <summary>The handle by which hypercalls name the device.</summary>
    public SourceId Handle => _device.Location;

    /// <inheritdoc/>
    public IConfigurationAccess Configuration => _device.Configuration;

    /// <inheritdoc/>
    public IInterruptLine Interrupt => _device.Interrupt;

    /// <inheritdoc/>
    public IDmaSpace Dma => Memory;

    /// <inheritdoc/>
    public Processor Processor => _device.Processor;

    /// <summary>Starts up in a VM that has a device.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="random">What decides where its buffers come to lie.</param>
    public static async ValueTask<Guest> Start(VirtualMachine machine, Random random)
    {
        GuestCpu cpu = machine.Cpu;
        HypercallResult found = await cpu.Call(Hypercall.FindDevice);
        if (found.Refusal != DmaRefusal.None)
            throw new InvalidOperationException($"{machine.Name} was given no device: {found.Refusal}.");
        SourceId location = new((ushort)found.Value);

        FrameAllocator frames = new(new(KernelBytes), machine.Memory.Bytes - KernelBytes);
        Scatter(frames, random);
        ForgingDmaSpace dma = new(new ParavirtualDmaSpace(cpu, frames, cpu, location));
        return new(machine, PciDevice.Open(cpu, new PciConfigurationPorts(cpu), location, dma, DeviceVector), dma);
    }

    /// <inheritdoc/>
    public IRegisterWindow OpenBar(int bar) => _device.OpenBar(bar);

    /// <summary>Maps a buffer honestly.</summary>
    public async ValueTask<DmaMapping> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        DmaMapResult result = await Memory.Map(buffer, direction);
        return result.IsMapped ? result.Mapping : throw new InvalidOperationException($"The VMM refuses an honest mapping: {result.Refusal}.");
    }

    /// <summary>Takes an honest mapping back.</summary>
    public async ValueTask Unmap(DmaMapping mapping)
    {
        DmaRefusal refusal = await Memory.Unmap(mapping);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"The VMM refuses to take back what it mapped: {refusal}.");
    }

    // A kernel that has been up for a while has used frames here and there.
    private static void Scatter(FrameAllocator frames, Random random)
    {
        for (int used = 0; used < 32; used++)
        {
            ulong frame = (ulong)random.NextInt64((long)frames.FramesTotal / 2);
            _ = frames.TryReserve(frames.Start + frame * FrameAllocator.FrameSize, 1);
        }
    }
}
