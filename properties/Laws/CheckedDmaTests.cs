using Dma.Hal;

namespace Dma.Properties;

/// <summary>What checked mode reports: each misuse by name, with both calls, and nothing of drivers that do right.</summary>
public sealed class CheckedDmaTests
{
    [Fact]
    public void A_use_after_unmap_names_the_call_that_mapped_and_the_one_that_unmapped() => Check(DmaMisuseKind.UseAfterUnmap, async dma =>
    {
        DmaMapResult mapped = await dma.Map(dma.Allocate(64), DmaDirection.ToDevice);
        _ = await dma.Unmap(mapped.Mapping);
        Assert.Equal(DmaRefusal.NotMapped, await dma.Unmap(mapped.Mapping));
        DmaMisuse misuse = Assert.Single(dma.Misuses);
        Assert.StartsWith("Map(", misuse.Mapped!.What, StringComparison.Ordinal);
        Assert.StartsWith("Unmap(", misuse.Ended!.What, StringComparison.Ordinal);
        Assert.All((DmaCall[])[misuse.Call, misuse.Mapped, misuse.Ended], call => Assert.StartsWith(nameof(CheckedDmaTests), call.Caller, StringComparison.Ordinal));
        Assert.True(misuse.Mapped.Number < misuse.Ended.Number && misuse.Ended.Number < misuse.Call.Number);
    });

    [Fact]
    public void A_device_that_goes_on_after_the_unmap_is_named_by_its_fault() => Check(DmaMisuseKind.UseAfterUnmap, async dma =>
    {
        DmaMapResult mapped = await dma.Map(dma.Allocate(64), DmaDirection.FromDevice);
        _ = await dma.Unmap(mapped.Mapping);
        dma.DeviceFaulted(mapped.Mapping.DeviceAddress, isWrite: true);
        Assert.Contains("write of the device", Assert.Single(dma.Misuses).ToString(), StringComparison.Ordinal);
    });

    [Fact]
    public void A_device_that_goes_against_the_direction_is_named_by_its_fault() => Check(DmaMisuseKind.WrongDirection, async dma =>
    {
        DmaMapResult mapped = await dma.Map(dma.Allocate(64), DmaDirection.ToDevice);
        dma.DeviceFaulted(mapped.Mapping.DeviceAddress, isWrite: true);
    });

    [Fact]
    public void A_device_that_goes_where_nothing_ever_was_is_named_too() => Check(DmaMisuseKind.NotMapped, dma =>
    {
        dma.DeviceFaulted(new(0xDEAD_0000), isWrite: false);
        return Task.CompletedTask;
    });

    [Fact]
    public void Bytes_that_are_mapped_twice_are_found() => Check(DmaMisuseKind.DoubleMap, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(4096);
        _ = await dma.Map(buffer.Slice(0, 100), DmaDirection.ToDevice);
        _ = await dma.Map(buffer.Slice(50, 100), DmaDirection.FromDevice);
    });

    [Fact]
    public void Two_buffers_in_one_page_are_found() => Check(DmaMisuseKind.SharedPage, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(8192);
        _ = await dma.Map(buffer.Slice(0, 100), DmaDirection.ToDevice);
        _ = await dma.Map(buffer.Slice(512, 7000), DmaDirection.FromDevice);
    });

    [Fact]
    public void An_unmap_in_another_direction_is_found() => Check(DmaMisuseKind.WrongDirection, async dma =>
    {
        DmaMapResult mapped = await dma.Map(dma.Allocate(64), DmaDirection.ToDevice);
        Assert.Equal(DmaRefusal.NotMapped, await dma.Unmap(mapped.Mapping with { Direction = DmaDirection.FromDevice }));
    });

    [Theory]
    [InlineData(DmaDirection.FromDevice, false)]
    [InlineData(DmaDirection.FromDevice, true)]
    [InlineData(DmaDirection.ToDevice, true)]
    [InlineData(DmaDirection.Bidirectional, false)]
    public void A_processor_that_uses_what_the_device_has_is_found(DmaDirection direction, bool isWrite) => Check(DmaMisuseKind.CpuAccess, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(64);
        _ = await dma.Map(buffer, direction);
        if (isWrite)
            buffer.Write32(60, 1);
        else
            _ = buffer.Read32(60);
    });

    [Fact]
    public void A_processor_that_goes_beyond_what_it_took_back_is_found() => Check(DmaMisuseKind.CpuAccess, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(64);
        DmaMapResult mapped = await dma.Map(buffer, DmaDirection.FromDevice);
        _ = dma.SyncForCpu(mapped.Mapping, 0, 32);
        _ = buffer.Read32(28);
        Assert.Empty(dma.Misuses);
        _ = buffer.Read32(30);
    });

    [Fact]
    public void A_processor_that_uses_what_it_gave_back_is_found() => Check(DmaMisuseKind.CpuAccess, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(64);
        DmaMapResult mapped = await dma.Map(buffer, DmaDirection.FromDevice);
        _ = dma.SyncForCpu(mapped.Mapping, 0, 64);
        _ = dma.SyncForDevice(mapped.Mapping, 16, 16);
        _ = buffer.Read32(12);
        _ = buffer.Read32(32);
        Assert.Empty(dma.Misuses);
        _ = buffer.Read32(16);
    });

    [Fact]
    public void What_a_driver_leaves_behind_is_found_with_the_call_that_made_it()
    {
        using BareMetal machine = new(profile: null);
        machine.Loop.Run(async () =>
        {
            CheckedDmaSpace dma = Space(machine);
            MemoryBuffer left = dma.Allocate(64);
            _ = await dma.Map(left, DmaDirection.ToDevice);
            _ = await dma.AllocateCoherent(100);
            MemoryBuffer freed = dma.Allocate(64);
            _ = dma.Free(freed);
            Assert.Equal(
                ["Allocate(64)", $"Map(memory {left.Address.Value:X}h, 64, ToDevice)", "AllocateCoherent(100)"],
                dma.Detach().Select(leak => leak.Kind == DmaMisuseKind.Leak ? leak.Mapped!.What : leak.ToString()));
        });
    }

    [Fact]
    public void Memory_that_is_freed_while_the_device_has_it_is_found() => Check(DmaMisuseKind.BadFree, async dma =>
    {
        MemoryBuffer buffer = dma.Allocate(64);
        _ = await dma.Map(buffer, DmaDirection.ToDevice);
        Assert.Equal(DmaRefusal.StillMapped, dma.Free(buffer));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Drivers_that_read_a_disk_do_nothing_wrong(bool isXhci)
    {
        byte[] content = new byte[200 * 512];
        new Random(3).NextBytes(content);
        using DirectDmaComputer computer = new("friendly", content, isXhci: isXhci);
        computer.Host.Loop.Run(async () =>
        {
            (PciDevice device, IDmaSpace below) = await computer.Open(MappingOptions.Strict);
            CheckedDmaSpace dma = new(below, computer.Guest.Cpu);
            Assert.Equal(content, await DiskReader.ReadAll(new WithDma(device, dma)));
            Assert.Empty(dma.Detach());
        });
    }

    private static CheckedDmaSpace Space(BareMetal machine) => new(new IdentityDmaSpace(machine.Cpu, machine.Frames), machine.Cpu);

    private static void Check(DmaMisuseKind kind, Func<CheckedDmaSpace, Task> misuse)
    {
        // Twice: the same run gives the same words.
        string[] reports = new string[2];
        for (int run = 0; run < reports.Length; run++)
        {
            using BareMetal machine = new(profile: null);
            machine.Loop.Run(async () =>
            {
                CheckedDmaSpace dma = Space(machine);
                await misuse(dma);
                DmaMisuse found = Assert.Single(dma.Misuses);
                Assert.Equal(kind, found.Kind);
                reports[run] = found.ToString();
            });
        }

        Assert.Equal(reports[0], reports[1]);
    }
}
