using Dma.Iommu;
using Dma.Lab;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>HAL and VMM forget no invalidation: no device is ever answered with what tables no longer say.</summary>
public sealed class NothingStaleTests
{
    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_device_that_is_lent_to_a_guest_and_taken_back_uses_nothing_stale(string name)
    {
        Collector collector = new();
        using DirectDmaComputer computer = new(Tracking(name), new byte[200 * 512]);
        computer.Host.Unit.Observer = collector;
        _ = computer.Host.Loop.Run(computer.ReadDisk);
        _ = computer.Host.Loop.Run(() => computer.Assignment.TakeBack().AsTask());
        Assert.Empty(collector.Uses);
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_device_under_attack_uses_nothing_stale(string name)
    {
        Collector collector = new();
        DirectDmaOptions options = new() { Disk = new MemoryDiskImage(new byte[64 * 512]), Seed = Property.Seed, Profile = Tracking(name) };
        DirectDmaReport report = new DirectDmaRun(options) { BeforeAttacks = host => host.Unit.Observer = collector }.Run();
        Assert.True(report.IsClean);
        Assert.NotEqual(0, collector.Faults);
        Assert.Empty(collector.Uses);
    }

    private static HardwareProfile Tracking(string name) => HardwareProfile.Named(name) with { TracksStaleness = true, CachesFaults = true };

    private sealed class Collector : IRemappingObserver
    {
        public List<StaleUse> Uses { get; } = [];

        public int Faults { get; private set; }

        public void FaultDetected(in RemappingFault fault, FaultDisposition disposition) => Faults++;

        public void StaleEntryUsed(StaleUse use) => Uses.Add(use);
    }
}
