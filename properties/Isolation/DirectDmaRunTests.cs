using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

public sealed class DirectDmaRunTests
{
    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void On_every_hardware_nothing_gets_through_and_every_refused_access_of_the_device_is_on_record(string profile)
    {
        DirectDmaReport report = new DirectDmaRun(Options(seed: 11) with { Profile = HardwareProfile.Named(profile) }).Run();
        Assert.True(report.IsClean);
        Assert.Equal(report.Isolation.Attempts, report.Isolation.Blocked);
        Assert.All(report.Isolation.Tried, attempt => Assert.Equal(0ul, attempt.BytesChanged));

        // Each attempt of the device has its fault, with page and direction; where the unit tells of the interrupt range at all.
        AttemptSummary[] byDevice = [.. report.Isolation.Tried.Where(attempt => attempt.By == "VM 1" && !attempt.What.StartsWith("maps", StringComparison.Ordinal))];
        Assert.True(byDevice.Length >= 15);
        Assert.All(byDevice, attempt =>
        {
            ulong page = Convert.ToUInt64(attempt.Address, 16) & ~0xFFFul;
            if (InterruptRange.Contains(page) && !HardwareProfile.Named(profile).ReportsInterruptRangeRequests)
                return;
            Assert.Contains(report.Dma.Faults, fault =>
                Convert.ToUInt64(fault.Address, 16) == page && fault.Write == attempt.What.StartsWith("writes", StringComparison.Ordinal));
        });
    }

    [Fact]
    public void Attacks_go_elsewhere_with_another_seed()
    {
        string[] places = [.. Enumerable.Range(1, 4).Select(seed =>
            new DirectDmaRun(Options((ulong)seed)).Run().Isolation.Tried.First(attempt => attempt.What == "writes memory of VM 2").Address)];
        Assert.True(places.Distinct().Count() > 1);
    }

    [Fact]
    public void Tables_that_lead_where_they_must_not_are_found_as_a_violation()
    {
        // The canary: the device's tables also lead to the memory of VM 2, and all else is as ever.
        DirectDmaReport report = new DirectDmaRun(Options(seed: 3)) { BeforeAttacks = OpenNeighbour }.Run();
        Assert.False(report.IsClean);
        Assert.True(report.Isolation.BytesChangedElsewhere > 0);
        AttemptSummary write = report.Isolation.Tried.First(attempt => attempt.What == "writes memory of VM 2");
        Assert.False(write.Blocked);
        Assert.InRange(write.BytesChanged, 1ul, 512ul);
        Assert.False(report.Isolation.Tried.First(attempt => attempt.What == "reads memory of VM 2").Blocked);

        Assert.False(report.Isolation.Tried.First(attempt => attempt.What == "runs a schedule in memory of VM 2").Blocked);

        // And what no table opens stays closed.
        Assert.All(report.Isolation.Tried, attempt => Assert.True(attempt.Blocked || attempt.What.EndsWith("VM 2", StringComparison.Ordinal)));
    }

    private static DirectDmaOptions Options(ulong seed)
    {
        byte[] content = new byte[64 * 512];
        new Random((int)seed).NextBytes(content);
        return new() { Disk = new MemoryDiskImage(content), Seed = seed };
    }

    private static void OpenNeighbour(Host host)
    {
        SourceId device = Assert.Single(host.Assignments).Source;
        PhysicalAddress root = new RootTableAddress(
            new(host.Bus.Load(new(MemoryLayout.RemappingUnit + RegisterOffsets.RootTableAddress), 8))).Table;
        RootEntry bus = Read<RootEntry>(host, root + ((ulong)device.Bus * 16));
        ContextEntry context = Read<ContextEntry>(host, bus.ContextTable + ((ulong)device.DeviceFunction * 16));

        // Down to the table whose entries are a gibibyte each; its first one gets a table of its own, out of unused memory.
        PhysicalAddress gibibytes = context.SecondStageTable;
        for (int level = (int)context.AddressWidth + 2; level > 3; level--)
            gibibytes = Read<SecondStageEntry>(host, gibibytes).Address;
        PhysicalAddress unused = new(host.Options.VmmBytes - 4096);
        SecondStageEntry entry = new() { Read = true, Write = true };
        Assert.True(host.Memory.TryWrite(gibibytes, entry with { Address = unused }));
        VirtualMachine neighbour = host.Machines.Single(machine => machine.Name == "VM 2");
        Assert.All(neighbour.Memory.Blocks, block => Assert.True(host.Memory.TryWrite(
            unused + (8 * (block.Host.Value >> 21)), entry with { PageSize = true, Address = block.Host })));
    }

    private static T Read<T>(Host host, PhysicalAddress address)
        where T : unmanaged
    {
        Assert.True(host.Memory.TryRead(address, out T value));
        return value;
    }
}
