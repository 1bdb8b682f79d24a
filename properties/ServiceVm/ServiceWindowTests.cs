using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a service VM is shown of a VM whose devices it models: pages of that VM that it asked for, as long as they are that VM's.</summary>
public sealed class ServiceWindowTests : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const ulong PageBytes = 4096;
    private const byte Vector = 0x60;
    private static readonly SourceId Place = new(0, 4, 0);

    private readonly Host _host = new(new() { MemoryBytes = 1024 * MiB, VmmBytes = 64 * MiB });
    private readonly EhciController _controller;
    private readonly VirtualMachine _guest;
    private readonly VirtualMachine _other;
    private readonly VirtualMachine _machine;
    private readonly Vmm.ServiceVm _service;

    public ServiceWindowTests()
    {
        _controller = new(_host.Loop);
        _host.Pci.Add(_controller, 3);
        _host.Boot();
        (_guest, _other, _machine) = (_host.CreateMachine("VM 1", 2 * MiB), _host.CreateMachine("VM 2", MiB), _host.CreateMachine("service VM", 2 * MiB));
        Assert.True(_host.Loop.Run(() => _host.AssignmentOf(_controller.Source).Assign(_machine, Place).AsTask()).IsDone);
        _service = new(_machine);
        Assert.Equal(0, _service.Model(_guest));
    }

    private RemappingDomain Domain => _host.AssignmentOf(_controller.Source).Domain!;

    public void Dispose() => _host.Dispose();

    [Fact]
    public void A_page_is_shown_at_one_place_until_it_is_given_back_or_taken() => _host.Loop.Run(async () =>
    {
        Assert.True(_guest.Cpu.TryWrite(new(0x3000), "of VM 1"u8));
        HypercallResult shown = await Call(Hypercall.ShowPage, 0, 0x3000);
        Assert.Equal(shown, await Call(Hypercall.ShowPage, 0, 0x3000));
        byte[] found = new byte[7];
        Assert.True(_machine.Cpu.TryRead(new(shown.Value), found));
        Assert.Equal("of VM 1"u8, found);
        Assert.Equal((1, 1ul, 0ul), (_service.WindowOf(_guest).Shown, _host.Frames.Pins, _guest.PinnedPages));
        Assert.Equal(DmaRefusal.None, (await Call(Hypercall.HidePage, 0, 0x3000)).Refusal);
        Assert.Equal(DmaRefusal.NotMapped, (await Call(Hypercall.HidePage, 0, 0x3000)).Refusal);
        Assert.False(_machine.Cpu.TryRead(new(shown.Value), found));

        // Taken, it is out of reach before anybody in the service VM knows, and its place stays empty until then.
        shown = await Call(Hypercall.ShowPage, 0, 0x3000);
        Assert.Equal(PageRefusal.None, await _guest.Mover.Balloon(new(0x3000)));
        Assert.False(_machine.Cpu.TryRead(new(shown.Value), found));
        Assert.Equal((0, 0ul), (_service.WindowOf(_guest).Shown, _host.Frames.Pins));
        Assert.NotEqual(shown.Value, (await Call(Hypercall.ShowPage, 0, 0x4000)).Value);
        Assert.Equal(new(DmaRefusal.None, 0x3000), await Call(Hypercall.NextLostPage));
        Assert.NotEqual(shown.Value, (await Call(Hypercall.ShowPage, 0, 0x5000)).Value);
        Assert.Equal(DmaRefusal.NotMapped, (await Call(Hypercall.NextLostPage)).Refusal);
        Assert.Equal(shown.Value, (await Call(Hypercall.ShowPage, 0, 0x6000)).Value);
    });

    [Fact]
    public void Whatever_it_asks_for_it_gets_pages_of_that_VM_and_nothing_else()
    {
        byte[] secret = [9, 9, 9, 9];
        for (ulong page = 0; page < MiB / PageBytes; page++)
            Assert.True(_other.Cpu.TryWrite(new(page * PageBytes), secret));
        Property.Check(
            from number in Gen.OneOf(Gen.Choose(0, 9).Select(value => (ulong)value), Generate.Any64)
            from page in Gen.OneOf(Generate.Any64, Gen.Choose(0, 700).Select(value => (ulong)value * PageBytes), Gen.Choose(0, 63).Select(bit => 1ul << bit))
            from length in Gen.OneOf(Generate.Any64, Gen.Choose(0, 140_000).Select(value => (ulong)value))
            from direction in Gen.Choose(0, 5)
            select (number, page, length, (ulong)direction),
            asked => _host.Loop.Run(async () =>
            {
                (ulong number, ulong page, ulong length, ulong direction) = asked;
                bool isPage = number == 0 && page % PageBytes == 0 && _guest.Memory.Contains(new(page), PageBytes);
                HypercallResult shown = await Call(Hypercall.ShowPage, number, page);
                Assert.Equal(isPage, shown.Refusal == DmaRefusal.None);
                if (isPage)
                    Assert.Equal(_guest.Memory.Tables.Walk(new(page), EptRights.Read).Address, _machine.Memory.Tables.Walk(new(shown.Value), EptRights.Read).Address);
                bool isRange = number == 0 && direction is 1 or 2 or 3 && _guest.Memory.Contains(new(page), length) && ((page % PageBytes) + length + PageBytes - 1) / PageBytes <= 32;
                HypercallResult mapped = await Call(Hypercall.MapGuest, number, page, length, direction);
                Assert.Equal(number == 0 && isRange, mapped.Refusal == DmaRefusal.None);
                for (ulong done = 0; mapped.Refusal == DmaRefusal.None && done < length; done += PageBytes)
                {
                    Assert.True(Domain.TryFind(new((mapped.Value + done) & ~0xFFFul), out RemappingLeaf leaf));
                    Assert.Equal(_guest.Memory.Tables.Walk(new((page + done) & ~0xFFFul), EptRights.Read).Address.Value, leaf.Target.Value & ~0xFFFul);
                }

                if (mapped.Refusal == DmaRefusal.None)
                    Assert.Equal(DmaRefusal.None, (await Call(Hypercall.UnmapGuest, 0, mapped.Value)).Refusal);
                Assert.Equal(0ul, _guest.PinnedPages);
            }),
            300);
        byte[] left = new byte[4];
        for (ulong page = 0; page < MiB / PageBytes; page++)
        {
            Assert.True(_other.Cpu.TryRead(new(page * PageBytes), left));
            Assert.Equal(secret, left);
        }
    }

    [Fact]
    public void What_its_devices_reach_stays_until_it_is_unmapped_and_counts_to_the_quota_of_the_VM() => _host.Loop.Run(async () =>
    {
        _guest.PinnedPagesMax = 3;
        HypercallResult mapped = await Call(Hypercall.MapGuest, 0, 0x3F00, 0x200, (ulong)DmaDirection.FromDevice);
        Assert.Equal((2, 2ul), (_service.WindowOf(_guest).Mapped, _guest.PinnedPages));
        Assert.Equal((PageRefusal.Pinned, PageRefusal.Pinned), (await _guest.Mover.Move(new(0x3000)), await _guest.Mover.Balloon(new(0x4000))));
        Assert.Equal(DmaRefusal.Exhausted, (await Call(Hypercall.MapGuest, 0, 0x8000, 2 * PageBytes, (ulong)DmaDirection.ToDevice)).Refusal);
        Assert.Equal(DmaRefusal.NotMapped, (await Call(Hypercall.UnmapGuest, 0, mapped.Value + PageBytes)).Refusal);
        Assert.Equal(DmaRefusal.None, (await Call(Hypercall.UnmapGuest, 0, mapped.Value)).Refusal);
        Assert.False(Domain.TryFind(new(mapped.Value & ~0xFFFul), out _));
        Assert.Equal((PageRefusal.None, PageRefusal.None), (await _guest.Mover.Move(new(0x3000)), await _guest.Mover.Balloon(new(0x4000))));
        Assert.Equal((0, 0ul, 0ul), (_service.WindowOf(_guest).Mapped, _guest.PinnedPages, _host.Frames.Pins));
    });

    [Fact]
    public void Calls_with_arguments_that_mean_nothing_are_refused() => _host.Loop.Run(async () =>
    {
        Assert.Equal(DmaRefusal.BadRange, (await Call(Hypercall.OpenWindows, 31)).Refusal);
        Assert.Equal(DmaRefusal.BadRange, (await Call(Hypercall.OpenWindows, 256)).Refusal);
        Assert.Equal(new(DmaRefusal.None, Vmm.ServiceVm.WindowsMax), await Call(Hypercall.OpenWindows, 255));
        Assert.Equal(DmaRefusal.Denied, (await Call(Hypercall.OpenWindows, 32, 1)).Refusal);
        Assert.Equal(DmaRefusal.Denied, (await Call(Hypercall.ShowPage, 0, 0, 1)).Refusal);
        Assert.Equal(DmaRefusal.Denied, (await Call(Hypercall.HidePage, 0, 0, 0, 1)).Refusal);
        Assert.Equal(DmaRefusal.Denied, (await Call(Hypercall.NextLostPage, 1)).Refusal);
        Assert.Equal(DmaRefusal.Denied, (await Call(Hypercall.UnmapGuest, 0, 0, 1)).Refusal);
        Assert.Equal(DmaRefusal.NotMapped, (await Call(Hypercall.HidePage, 0, 0x3001)).Refusal);
        Assert.Equal(DmaRefusal.NotAssigned, (await _guest.Cpu.Call(Hypercall.ShowPage)).Refusal);
    });

    [Fact]
    public void A_process_has_a_window_where_the_VMM_lets_its_service_VM_model_devices_and_only_one() => _host.Loop.Run(async () =>
    {
        WindowDriver driver = await WindowDriver.Start(_service, Vector);
        _ = Assert.Throws<InvalidOperationException>(() => new UserLevelMonitor(_other, driver: driver));
        _ = Assert.Throws<InvalidOperationException>(() => new UserLevelMonitor(_guest, new() { Access = MonitorAccess.SystemCall }, driver));
        UserLevelMonitor monitor = new(_guest, driver: driver);
        _ = Assert.Throws<InvalidOperationException>(() => new UserLevelMonitor(_guest, driver: driver));
        _ = Assert.Throws<InvalidOperationException>(() => _service.Model(_guest));
        _ = Assert.Throws<InvalidOperationException>(() => _service.Model(_machine));
        _ = _other.AddIommu();
        _ = Assert.Throws<InvalidOperationException>(() => _service.Model(_other));
        Assert.Equal(DmaStatus.Success, monitor.Write(new(0x5000), "one"u8));
        await monitor.Kill();
        Assert.Equal((0, 0ul), (_service.WindowOf(_guest).Shown, _host.Frames.Pins));

        // Another process may take its place; with the service VM all end.
        UserLevelMonitor next = new(_guest, driver: driver);
        Assert.Equal(DmaStatus.Success, next.Write(new(0x5000), "two"u8));
        await _host.Destroy(_machine);
        Assert.Equal((false, true, 0ul), (next.IsAlive, next.IsAbandoned, _host.Frames.Pins));
        _ = Assert.Throws<InvalidOperationException>(() => new UserLevelMonitor(_guest, driver: driver));
        _ = Assert.Throws<InvalidOperationException>(() => _service.Model(_host.CreateMachine("VM 3", MiB)));
    });

    [Fact]
    public void Where_a_VM_has_more_pages_than_there_are_places_the_oldest_makes_room()
    {
        using Host host = new(new() { MemoryBytes = 1024 * MiB, VmmBytes = 64 * MiB });
        host.Boot();
        host.Loop.Run(async () =>
        {
            VirtualMachine guest = host.CreateMachine("VM 1", 258 * MiB);
            Vmm.ServiceVm service = new(host.CreateMachine("service VM", 2 * MiB));
            _ = service.Model(guest);
            UserLevelMonitor monitor = new(guest, driver: await WindowDriver.Start(service, Vector));
            byte[] bytes = new byte[1];
            for (int round = 0; round < 2; round++)
            {
                for (ulong page = 0; page < guest.Memory.Bytes / PageBytes; page += round == 0 ? 1ul : 97)
                {
                    Assert.Equal(DmaStatus.Success, monitor.Write(new(page * PageBytes), [(byte)page]));
                    Assert.True(guest.Cpu.TryRead(new(page * PageBytes), bytes));
                    Assert.Equal((byte)page, bytes[0]);
                }
            }

            Assert.Equal(65_536, service.WindowOf(guest).Shown);
            Assert.Equal(65_536ul, host.Frames.Pins);
            await host.Destroy(guest);
            Assert.Equal(0ul, host.Frames.Pins);
        });
    }

    private ValueTask<HypercallResult> Call(Hypercall number, params ulong[] arguments) => _machine.Cpu.Call(
        number, arguments.ElementAtOrDefault(0), arguments.ElementAtOrDefault(1), arguments.ElementAtOrDefault(2), arguments.ElementAtOrDefault(3));
}
