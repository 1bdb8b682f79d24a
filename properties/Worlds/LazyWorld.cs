using Dma.Devices;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host in scalable mode with a VM whose memory comes when it is touched, a device of it that asks for pages, and another VM.</summary>
internal sealed class LazyWorld : IDisposable
{
    public const ulong GuestBytes = 4 << 20;
    private const byte Canary = 0xA5;

    private readonly VirtualMachine _other;

    public LazyWorld(HardwareProfile profile, int framesMax)
    {
        Host = new(new() { Profile = profile, Scalable = true, MemoryBytes = 256 << 20, VmmBytes = 32 << 20 });
        Device = new(Host.Loop);
        Host.Pci.Add(Device, 3);
        Host.Boot();
        Machine = Host.TryCreateLazyMachine("lazy", GuestBytes, framesMax)!;
        _other = Host.CreateMachine("other", 1 << 20);
        Assignment.TrustsDeviceTlb = true;
        Host.Loop.Run(async () =>
        {
            Assert.True((await Assignment.Assign(Machine, new(0, 4, 0))).IsDone);
            Machine.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
        });
        byte[] canary = new byte[1 << 20];
        Array.Fill(canary, Canary);
        Assert.True(_other.Cpu.TryWrite(new(0), canary));
    }

    public Host Host { get; }

    public PagingDevice Device { get; }

    public VirtualMachine Machine { get; }

    public Assignment Assignment => Host.AssignmentOf(Device.Source);

    public LazyMemory Lazy => Machine.Memory.Lazy!;

    private PhysicalAddress Bar => new(Device.DecodedAt(0)!.Value);

    public ulong Sum => Host.Bus.Load(Bar + 0x20, 8);

    public void Begin(uint command, ulong address, uint length, Pasid? pasid = null)
    {
        Host.Bus.Store(Bar, 8, address);
        Host.Bus.Store(Bar + 8, 4, length);
        Host.Bus.Store(Bar + 0xC, 4, pasid is { } number ? (1u << 31) | number.Value : 0);
        Host.Bus.Store(Bar + 0x10, 4, command);
    }

    public async Task<PagingOutcome> End()
    {
        while ((PagingOutcome)Host.Bus.Load(Bar + 0x14, 4) == PagingOutcome.Busy)
            await Host.Cpu.Processor.Delay(1000);
        return (PagingOutcome)Host.Bus.Load(Bar + 0x14, 4);
    }

    public void PutBuffer(ReadOnlySpan<byte> bytes)
    {
        for (int at = 0; at < bytes.Length; at++)
            Host.Bus.Store(Bar + (ulong)(PagingDevice.BufferStart + at), 1, bytes[at]);
    }

    public byte[] GetBuffer(int length)
    {
        byte[] bytes = new byte[length];
        for (int at = 0; at < length; at++)
            bytes[at] = (byte)Host.Bus.Load(Bar + (ulong)(PagingDevice.BufferStart + at), 1);
        return bytes;
    }

    /// <summary>The device goes back and the VM ends; nothing of it is left, and the other VM has all its bytes.</summary>
    public async Task Destroy()
    {
        await Host.Destroy(Machine);
        Assert.Equal(0ul, Host.Frames.CountOf(Machine.Owner));
        Assert.Equal(0ul, Host.Frames.Pins);
        byte[] others = new byte[1 << 20];
        Assert.True(_other.Cpu.TryRead(new(0), others));
        Assert.DoesNotContain(others, static value => value != Canary);
        Assert.Equal(0ul, Host.Remapping.QueueStops);
    }

    public void Dispose() => Host.Dispose();
}
