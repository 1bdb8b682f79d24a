using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whatever ends transfers that go straight to pages of a guest: when it has returned, no byte of these pages changes, and none is pinned.</summary>
public sealed class DirectEndTests
{
    private const int Programs = 48;
    private const byte Canary = 0xEE;
    private const int PageBytes = 4096;
    private const int BufferPages = 8;
    private const ulong QuietNs = 20_000_000;
    private const ulong PageMoveStepNs = 50_000;
    private const ulong PatienceNs = 60_000_000_000;
    private static readonly SourceId s_place = new(0, 4, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void When_a_reset_a_removal_or_a_crash_has_returned_no_byte_comes_and_nothing_is_pinned(bool isServed)
    {
        int underWay = 0;
        Property.Check(
            Endings(Enum.GetValues<DirectEnd>()),
            ending =>
            {
                using IDirectGround ground = isServed ? new ServedDirectGround() : new HostDirectGround();
                ground.Host.Loop.Run(async () => underWay += await Play(ground, ending) ? 1 : 0, PatienceNs);
            },
            Programs);
        Assert.True(underWay > Programs / 2, $"{underWay} were under way.");
    }

    [Fact]
    public void A_controller_that_does_not_wait_before_it_says_that_it_is_reset_is_found()
    {
        int broken = 0;
        Property.Check(
            Endings(DirectEnd.ControllerReset, DirectEnd.SystemError),
            ending =>
            {
                using HostDirectGround ground = new();
                ground.Host.Loop.Start(async () =>
                {
                    while (true)
                    {
                        ground.Hasten();
                        await ground.Host.Loop.Delay(1_000);
                    }
                });
                broken += Record.Exception(() => ground.Host.Loop.Run(() => Play(ground, ending), PatienceNs)) is null ? 0 : 1;
            },
            Programs / 8);
        Assert.True(broken > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_transfer_that_is_given_up_while_its_pages_are_mapped_is_over_although_its_device_never_answers(bool isServed)
    {
        const ulong LongestNs = 400_000;
        const ulong StepNs = 3_000;
        using IDirectGround ground = isServed ? new ServedDirectGround() : new HostDirectGround();
        ground.Host.Loop.Run(
            async () =>
            {
                await ground.Start(new CountingDevice(1));
                IUsbHostController usb = await ground.StartGuest();
                UsbDeviceHandle handle = await UsbDeviceHandle.Enumerate(usb, port: 1);
                byte silent = CountingDevice.EndpointOf(DeviceUse.Cancel);
                IUsbPipe pipe = await handle.Open(handle.Configuration.Interfaces[0].Endpoints.First(endpoint => endpoint.Address == silent));
                DmaMapResult mapped = await usb.Memory.Map(usb.Memory.Allocate(PageBytes), DmaDirection.FromDevice);
                for (ulong patienceNs = 1_000; patienceNs < LongestNs; patienceNs += StepNs)
                {
                    Assert.Equal(TransferStatus.TimedOut, (await pipe.Transfer(mapped.Mapping, patienceNs)).Status);
                    Assert.Equal(0ul, ground.Guest.PinnedPages);
                }
            },
            PatienceNs);
    }

    private static Gen<Ending> Endings(params DirectEnd[] ends) =>
        from end in Gen.Elements(ends)
        from afterNs in Gen.Choose(0, 12_000_000)
        from pauseNsMax in Gen.Elements(3_000_000, 400_000_000)
        from packets in Gen.Choose(1, BufferPages * PageBytes / RiverDevice.PacketBytes)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new Ending(end, (ulong)afterNs, (ulong)pauseNsMax, packets, seed);

    // Whether a transfer was under way at that moment.
    private static async Task<bool> Play(IDirectGround ground, Ending ending)
    {
        await ground.Start(new RiverDevice(ground.Host.Loop, ending.Seed, ending.PauseNsMax));
        IUsbHostController usb = await ground.StartGuest();
        UsbDeviceHandle handle = await UsbDeviceHandle.Enumerate(usb, port: 1);
        IUsbPipe pipe = await handle.Open(handle.Configuration.Interfaces[0].Endpoints.First(endpoint => endpoint.In));
        MemoryBuffer buffer = usb.Memory.Allocate(BufferPages * PageBytes);
        DmaMapResult mapped = await usb.Memory.Map(buffer.Slice(0, ending.Packets * RiverDevice.PacketBytes), DmaDirection.FromDevice);
        ground.Host.Loop.Start(() => Read(ground.Guest, pipe, mapped.Mapping));
        await ground.Host.Loop.Delay(ending.AfterNs);

        bool isUnderWay = ground.Guest.PinnedPages != 0;
        PhysicalAddress[] frames = [.. Enumerable.Range(0, BufferPages).Select(page => FrameOf(ground.Guest, buffer.Address + (ulong)(page * PageBytes)))];
        await End(ground, ending.End, buffer.Address);
        if (ending.End == DirectEnd.PageMove)
            frames = [frames[0]];
        else
            Assert.Equal(0ul, ground.Guest.PinnedPages);

        // Whoever has these frames now, nobody else writes there.
        byte[] canary = new byte[PageBytes];
        canary.AsSpan().Fill(Canary);
        foreach (PhysicalAddress frame in frames)
            Assert.True(ground.Host.Memory.TryWrite(frame, canary));
        await ground.Host.Loop.Delay(QuietNs + ending.PauseNsMax);
        byte[] found = new byte[PageBytes];
        foreach (PhysicalAddress frame in frames)
        {
            Assert.True(ground.Host.Memory.TryRead(frame, found));
            Assert.False(found.AsSpan().ContainsAnyExcept(Canary), $"Something came to {frame} late.");
        }

        Assert.Equal(0ul, ground.Host.Faults.Total);
        await ground.CheckOthers();
        return isUnderWay;
    }

    // Until somebody ends it; a VM that has ended runs nothing.
    private static async Task Read(VirtualMachine guest, IUsbPipe pipe, DmaMapping mapping)
    {
        try
        {
            while ((await pipe.Transfer(mapping, PatienceNs)).Status == TransferStatus.Completed)
                continue;
        }
        catch (Exception exception) when (exception is DriverException || (exception is InvalidOperationException && !guest.IsRunning))
        {
            return;
        }
    }

    private static PhysicalAddress FrameOf(VirtualMachine guest, GuestPhysicalAddress page) => guest.Memory.Tables.Walk(page, EptRights.Read).Address;

    private static async Task End(IDirectGround ground, DirectEnd end, GuestPhysicalAddress page)
    {
        GuestCpu cpu = ground.Guest.Cpu;
        IConfigurationAccess function = new PciConfigurationPorts(cpu).Open(s_place);
        switch (end)
        {
            case DirectEnd.FunctionReset:
                await PciFunctionReset.TryFind(cpu, function, s_place)!.Perform();
                break;
            case DirectEnd.ControllerReset:
                await new EhciPoke(cpu, function).Reset();
                break;
            case DirectEnd.SystemError:
                EhciPoke controller = new(cpu, function);
                await controller.Derail();
                await controller.Reset();
                break;
            case DirectEnd.Detach:
                await ground.Detach();
                break;
            case DirectEnd.PageMove:
                while (await ground.Guest.Mover.Move(page) != PageRefusal.None)
                    await ground.Host.Loop.Delay(PageMoveStepNs);
                break;
            case DirectEnd.MonitorKill:
                await ground.Monitor.Kill();
                break;
            case DirectEnd.GuestCrash:
                await ground.Host.Destroy(ground.Guest);
                break;
            default:
                await ground.Crash();
                break;
        }
    }

    /// <summary>How transfers end.</summary>
    /// <param name="End">By what.</param>
    /// <param name="AfterNs">When, in nanoseconds after they began.</param>
    /// <param name="PauseNsMax">For how long the device is silent at most, in nanoseconds.</param>
    /// <param name="Packets">How many packets of 512 bytes each has.</param>
    /// <param name="Seed">What decides when the device is silent.</param>
    private sealed record Ending(DirectEnd End, ulong AfterNs, ulong PauseNsMax, int Packets, int Seed);
}
