using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The remapping driver with devices that translate for themselves: trusted ones, silent ones, and ones that lie.</summary>
public sealed class DeviceTlbDriverTests : IDisposable
{
    private const ulong Ecam = 0xE000_0000;
    private const ulong Target = 256 << 20;
    private const ulong Length = 16 << 10;
    private const ulong TimeoutNs = 1_000_000_000;

    private static readonly Iova Address = new(0x40_0000);
    private static readonly SourceId First = new(0, 3, 0);
    private static readonly SourceId Second = new(0, 4, 0);

    private readonly BareMetal _metal = new(HardwareProfile.Named("friendly") with { DeviceTlbTimeoutNs = TimeoutNs });
    private readonly AtsDevice _first;
    private readonly AtsDevice _second;
    private readonly PciMappedConfiguration _configuration;

    public DeviceTlbDriverTests()
    {
        AtsDeviceOptions options = new() { Type = PciExpressType.RootComplexEndpoint };
        (_first, _second) = (new(_metal.Loop, options), new(_metal.Loop, options));
        _metal.Pci.MapEcam(new(Ecam), 0, 0);
        _configuration = new(_metal.Cpu, new(Ecam), 0, 0);
        foreach ((AtsDevice device, SourceId place) in ((AtsDevice, SourceId)[])[(_first, First), (_second, Second)])
        {
            _metal.Pci.Add(device, place.Device);
            _metal.Pci.WriteConfiguration(place, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        }
    }

    public void Dispose() => _metal.Dispose();

    [Fact]
    public void A_trusted_device_translates_for_itself_and_an_unmap_waits_for_it() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        Assert.True(_first.Ats.IsEnabled && driver.UsesDeviceTlb(First));
        _ = await domain.Map(Address, new(Target), Length, DmaDirection.Bidirectional);
        Assert.Equal((uint)DmaStatus.Success, _first.Do(AtsCommand.Write, Address.Value));
        Assert.Equal((1ul, 1), (_first.Port.Questions, _first.Port.Count));
        (_first.Answer, _first.DelayNs) = (AtsAnswer.Late, 50_000);
        ulong before = _metal.Loop.NowNs;
        Assert.Equal(DmaRefusal.None, await domain.Unmap(Address, 4096));
        Assert.True(_metal.Loop.NowNs - before >= 50_000);
        Assert.Equal((uint)DmaStatus.Blocked, _first.Do(AtsCommand.Write, Address.Value));
        Assert.Equal((uint)DmaStatus.Success, _first.Do(AtsCommand.Write, Address.Value + 4096));
        Assert.Empty(driver.DrainFaults());
    });

    [Fact]
    public void Pages_and_blocks_of_them_are_named_to_the_device_exactly() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        _ = await domain.Map(Address, new(Target), Length, DmaDirection.Bidirectional);
        foreach ((ulong skip, ulong pages, int left) in ((ulong, ulong, int)[])[(0, 1, 3), (2, 2, 1), (1, 1, 0)])
        {
            for (ulong page = 0; page < Length; page += 4096)
                _ = _first.Do(AtsCommand.Translate, Address.Value + page);
            Assert.Equal(DmaRefusal.None, await domain.Unmap(Address + (skip * 4096), pages * 4096));
            Assert.Equal(left, _first.Port.Count);
        }
    });

    [Fact]
    public void Detached_it_forgets_and_its_ATS_is_off_before_its_entry_goes() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        _ = await domain.Map(Address, new(Target), Length, DmaDirection.Bidirectional);
        _ = _first.Do(AtsCommand.Write, Address.Value);
        await driver.Detach(First);
        Assert.Equal((false, 0, 1ul), (_first.Ats.IsEnabled, _first.Port.Count, _first.Port.Invalidations));
        Assert.Equal((uint)DmaStatus.Blocked, _first.Do(AtsCommand.Write, Address.Value));
        Assert.Equal((uint)DmaStatus.Blocked, _first.Do(AtsCommand.ForgedWrite, Target));
        Assert.All(driver.DrainFaults(), fault => Assert.Equal(FaultReason.ContextNotPresent, fault.Reason));

        // It is not asked any more.
        Assert.Equal(DmaRefusal.None, await domain.Unmap(Address, Length));
        Assert.Equal(1ul, _first.Port.Invalidations);
    });

    [Fact]
    public void A_device_that_is_not_trusted_cannot_say_that_it_translated() => Run(async (driver, domain) =>
    {
        _ = await driver.Attach(First, domain);
        _ = await domain.Map(Address, new(Target), Length, DmaDirection.Bidirectional);
        Assert.False(_first.Ats.IsEnabled || driver.UsesDeviceTlb(First));
        Assert.Equal((uint)DmaStatus.Success, _first.Do(AtsCommand.Write, Address.Value));
        Assert.Equal((uint)DmaStatus.Blocked, _first.Do(AtsCommand.ForgedWrite, Target));
        FaultReport fault = Assert.Single(driver.DrainFaults());
        Assert.Equal((FaultReason.RequestTypeBlocked, AddressType.Translated), (fault.Reason, fault.Record.AddressType));

        // Trust is what it takes: the same request of a trusted device passes.
        await Attach(driver, domain, Second);
        Assert.Equal((uint)DmaStatus.Success, _second.Do(AtsCommand.ForgedWrite, Target));
    });

    [Fact]
    public void A_silent_device_loses_everything_and_the_others_nothing() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        await Attach(driver, domain, Second);
        _ = await domain.Map(Address, new(Target), Length, DmaDirection.Bidirectional);
        _ = _first.Do(AtsCommand.Write, Address.Value);
        _ = _second.Do(AtsCommand.Write, Address.Value);
        _first.Answer = AtsAnswer.Never;
        ulong before = _metal.Loop.NowNs;
        Assert.Equal(DmaRefusal.None, await domain.Unmap(Address, 4096));
        Assert.True(_metal.Loop.NowNs - before >= TimeoutNs);
        Assert.Equal([First], driver.Quarantined);
        Assert.Equal((false, false), (driver.UsesDeviceTlb(First), _first.Ats.IsEnabled));
        foreach (AtsCommand command in (AtsCommand[])[AtsCommand.Write, AtsCommand.ForgedWrite])
            Assert.Equal((uint)DmaStatus.Blocked, _first.Do(command, Address.Value + 4096));
        Assert.Equal((uint)DmaStatus.Blocked, _second.Do(AtsCommand.Write, Address.Value));
        Assert.Equal((uint)DmaStatus.Success, _second.Do(AtsCommand.Write, Address.Value + 4096));
        before = _metal.Loop.NowNs;
        Assert.Equal(DmaRefusal.None, await domain.Unmap(Address + 4096, 4096));
        Assert.True(_metal.Loop.NowNs - before < TimeoutNs);

        // After it was reset it can be had again.
        await driver.Detach(First);
        Assert.Empty(driver.Quarantined);
        _first.ResetFunction();
        _metal.Pci.WriteConfiguration(First, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        await Attach(driver, domain, First);
        Assert.Equal((uint)DmaStatus.Success, _first.Do(AtsCommand.Write, Address.Value + 8192));
        Assert.Equal(2, domain.Attached);
    });

    [Fact]
    public void A_device_that_is_silent_while_it_is_detached_is_detached_all_the_same() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        _first.Answer = AtsAnswer.Never;
        await driver.Detach(First);
        Assert.Equal((0, false), (domain.Attached, _first.Ats.IsEnabled));
        Assert.Equal((uint)DmaStatus.Blocked, _first.Do(AtsCommand.ForgedWrite, Target));
    });

    [Fact]
    public void Completions_that_nobody_waits_for_are_counted_and_do_not_silence_faults() => Run(async (driver, domain) =>
    {
        await Attach(driver, domain, First);
        _first.Port.CompleteInvalidation(3);
        Assert.True(await driver.WaitForFault(TimeoutNs));
        Assert.Empty(driver.DrainFaults());
        Assert.Equal(1ul, driver.UnexpectedCompletions);
        _ = _second.Do(AtsCommand.Write, Address.Value);
        Assert.True(await driver.WaitForFault(TimeoutNs));
        Assert.Equal(FaultReason.ContextNotPresent, Assert.Single(driver.DrainFaults()).Reason);
    });

    [Fact]
    public void A_unit_that_does_not_answer_devices_keeps_ATS_off() => Run(
        async (driver, domain) =>
        {
            await Attach(driver, domain, First);
            Assert.Equal((false, false), (driver.CanUseDeviceTlbs, _first.Ats.IsEnabled));
        },
        useQueue: false);

    [Fact]
    public void A_list_of_extended_capabilities_that_leads_nowhere_is_an_error_and_no_hang()
    {
        foreach (uint header in (uint[])[0x1001_0003, 0x0801_0003])
        {
            DeviceException error = Assert.Throws<DeviceException>(() => DeviceTlbControl.TryFind(new Headers(header), First));
            Assert.Contains("extended capability list", error.Message, StringComparison.Ordinal);
        }

        Assert.Null(DeviceTlbControl.TryFind(new Headers(0), First));
        Assert.Null(DeviceTlbControl.TryFind(new Headers(uint.MaxValue), First));
    }

    private void Run(Func<RemappingDriver, RemappingDomain, Task> software, bool useQueue = true) => _metal.Loop.Run(async () =>
    {
        RemappingDriver driver = await RemappingDriver.Start(
            _metal.Cpu, new(BareMetal.UnitAddress), _metal.Frames, new(0x30) { HostAddressWidth = 46, UseQueue = useQueue });
        await software(driver, driver.CreateDomain());
    });

    private async Task Attach(RemappingDriver driver, RemappingDomain domain, SourceId source) =>
        Assert.Equal(DmaRefusal.None, await driver.Attach(source, domain, DeviceTlbControl.TryFind(_configuration.Open(source), source)));

    private sealed class Headers(uint header) : IConfigurationAccess
    {
        public uint Read(int offset, int width) => offset == 0x100 ? header : 0;

        public void Write(int offset, int width, uint value)
        {
        }
    }
}
