using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A USB stack of a service VM without a controller: what its controller would reach it reaches by the tables of the domain alone.</summary>
/// <param name="machine">The service VM.</param>
/// <param name="domain">The domain of a device that it has.</param>
/// <param name="mapped">How many pages of the guest are mapped, besides rings.</param>
internal sealed class FakeServiceUsb(VirtualMachine machine, RemappingDomain domain, Func<int> mapped)
    : FakeHostUsb(machine.Host, new(new(1 << 20), 1 << 20))
{
    public override Processor Processor => machine.Cpu.Processor;

    public override int Mapped => mapped();

    protected override ICpu Cpu => machine.Cpu;

    public override ValueTask<HostUsbBuffer?> TryAllocate(int length) => machine.IsRunning ? base.TryAllocate(length) : new((HostUsbBuffer?)null);

    // A controller that was reset does nothing any more.
    public override void Fill(HostUsbBuffer buffer, int offset, int length, byte value)
    {
        if (machine.IsRunning)
            base.Fill(buffer, offset, length, value);
    }

    public override byte[] Read(HostUsbBuffer buffer, int offset, int length) => machine.IsRunning ? base.Read(buffer, offset, length) : [];

    protected override PhysicalAddress FrameOf(HostUsbBuffer buffer, int index)
    {
        Iova page = new((buffer.DeviceAddress.Value & ~0xFFFul) + ((ulong)index * 4096));
        Assert.True(domain.TryFind(page, out RemappingLeaf leaf), $"{page} is not mapped for the controller.");
        PhysicalAddress frame = new(leaf.Target.Value & ~0xFFFul);
        Demand(machine.Host.Frames.PinsOf(frame) != 0, "A frame that nobody pinned is mapped.");
        return frame;
    }
}
