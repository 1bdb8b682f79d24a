using Dma.Drivers;
using Dma.Iommu;
using Dma.Lab;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>A driver of the host lets its USB controller go to a VM, and comes back to it.</summary>
public sealed class HostUsbDriverTests
{
    private const int BlockBytes = 512;

    public static TheoryData<string, bool> Controllers => new()
    {
        { "friendly", false }, { "friendly", true }, { "hostile", false }, { "minimal", true },
    };

    [Theory]
    [MemberData(nameof(Controllers))]
    public void The_host_reads_a_disk_a_VM_reads_it_and_the_host_reads_it_again(string profile, bool isXhci)
    {
        byte[] content = new byte[64 * 1024];
        new Random(1).NextBytes(content);
        using DirectDmaComputer computer = new(HardwareProfile.Named(profile), content, isXhci: isXhci);
        HostUsbDriver driver = new(computer.Host, computer.Assignment.Source);
        computer.Host.Loop.Run(async () =>
        {
            Assert.True(await driver.Take());
            computer.Assignment.Driver = driver;
            for (int round = 0; round < 2; round++)
            {
                Assert.Equal(content, await ReadAll(driver));
                Assert.Equal(content, await computer.ReadDisk());
                Assert.False(driver.IsUp);
                await Assert.ThrowsAsync<DriverException>(async () => _ = await ReadAll(driver));
                Assert.Equal(AssignmentResult.Done, await computer.Assignment.TakeBack());
                Assert.Equal((AssignmentState.Host, true), (computer.Assignment.State, driver.IsUp));
                Assert.Equal(0ul, computer.Host.Frames.Pins);
            }

            Assert.Equal(content, await ReadAll(driver));
        });
        Assert.Equal(0ul, computer.Host.Faults.Total);
    }

    [Fact]
    public void While_the_host_reads_the_controller_stays_and_afterwards_it_goes()
    {
        byte[] content = new byte[256 * 1024];
        using DirectDmaComputer computer = new("friendly", content);
        HostUsbDriver driver = new(computer.Host, computer.Assignment.Source);
        computer.Host.Loop.Run(async () =>
        {
            Assert.True(await driver.Take());
            computer.Assignment.Driver = driver;
            Task<byte[]> reading = ReadAll(driver);
            Assert.Equal(AssignmentRefusal.DriverRefused, (await computer.Assignment.Assign(computer.Guest, new(0, 2, 0))).Refusal);
            Assert.Equal(content, await reading);
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.Assign(computer.Guest, new(0, 2, 0)));
        });
    }

    [Fact]
    public void Where_the_disk_was_pulled_out_meanwhile_the_driver_does_not_come_back_and_nothing_is_left_of_it()
    {
        using DirectDmaComputer computer = new("friendly", new byte[64 * 1024]);
        HostUsbDriver driver = new(computer.Host, computer.Assignment.Source);
        Host host = computer.Host;
        host.Loop.Run(async () =>
        {
            Assert.True(await driver.Take());
            computer.Assignment.Driver = driver;
            Assert.True((await computer.Assignment.Assign(computer.Guest, new(0, 2, 0))).IsDone);
            _ = computer.Ports[0].Unplug();
            AssignmentResult result = await computer.Assignment.TakeBack();
            Assert.Equal((AssignmentRefusal.DriverRefused, AssignmentState.Clean), (result.Refusal, computer.Assignment.State));
            Assert.False(driver.IsUp || host.Remapping.IsAttached(computer.Assignment.Source));
        });
    }

    [Fact]
    public void Whichever_write_the_way_to_a_VM_stops_before_the_host_reads_the_disk_again_after_the_take_back()
    {
        byte[] content = new byte[32 * 1024];
        new Random(2).NextBytes(content);
        StoppedWrite stop = new();
        using DirectDmaComputer computer = new(HardwareProfile.Named("friendly"), content, beforeWrite: stop.BeforeWrite);
        Host host = computer.Host;
        HostUsbDriver driver = new(host, computer.Assignment.Source);
        host.Loop.Run(async () => computer.Assignment.Driver = await driver.Take() ? driver : null);
        bool hasStopped = true;
        int writes = 0;
        for (; hasStopped; writes += 3)
        {
            stop.Arm(writes);
            try
            {
                Assert.True(Run(host, () => computer.Assignment.Assign(computer.Guest, new(0, 2, 0))).IsDone);
            }
            catch (StoppedException)
            {
            }

            hasStopped = stop.HasStopped;
            stop.Disarm();
            Assert.Equal(AssignmentResult.Done, Run(host, computer.Assignment.TakeBack));
            host.Loop.Run(async () => Assert.Equal(content, await ReadAll(driver)));
        }

        Assert.True(writes > 60, $"{writes}");
    }

    private static async Task<byte[]> ReadAll(HostUsbDriver driver)
    {
        const int Piece = 32 * 1024;
        byte[] content = new byte[(int)Math.Max(driver.BlockCount, 1) * BlockBytes];
        for (int done = 0; done < content.Length; done += Piece)
            await driver.Read((ulong)(done / BlockBytes), content.AsMemory(done, Math.Min(Piece, content.Length - done)));
        return content;
    }
}
