using Dma.Drivers;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Guests whose controllers run in user-level monitors: their drivers are the same, and what becomes of one is nothing to the other.</summary>
public sealed class MonitorControllerTests
{
    private static readonly SourceId Place = new(0, 4, 0);

    private enum Act
    {
        Read,
        MovePages,
        BalloonPages,
        TakeBack,
        KillWhileBusy,
        EndMachine,
    }

    [Theory]
    [InlineData("ehci", nameof(MonitorAccess.Window), null)]
    [InlineData("xhci", nameof(MonitorAccess.Window), null)]
    [InlineData("ehci", nameof(MonitorAccess.Window), 2)]
    [InlineData("xhci", nameof(MonitorAccess.SystemCall), null)]
    public void A_guest_reads_its_disk_and_each_access_to_a_register_wakes_the_monitor(string controller, string access, int? pages)
    {
        using SingleDeviceWorld world = new(controller);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            (UserLevelMonitor monitor, EmulatedUsbController emulated) = Create(world, "VM", controller, new() { Access = Enum.Parse<MonitorAccess>(access), WindowPages = pages });
            Assert.True(await world.Assignments[0].Assign(emulated));
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(emulated));
            MonitorCounts counts = monitor.Counts;
            Assert.Equal(counts.Upcalls, monitor.Machine.Cpu.Processor.Meter[Cost.Upcall]);
            Assert.True(counts.Upcalls > 0 && counts.Interrupts > 0 && counts.Upcalls <= monitor.Machine.Cpu.Processor.Meter[Cost.Exit]);
            Assert.Equal(monitor.Processor.Meter[Cost.SystemCall], counts.SystemCalls + counts.Interrupts);
            Assert.Equal(access == nameof(MonitorAccess.Window) ? 0 : counts.Accesses, counts.SystemCalls);
            Assert.Equal(pages is null ? (ulong)monitor.PagesPresent : counts.Evictions + (ulong)monitor.PagesPresent, counts.Faults);
            Assert.Equal(0ul, world.Host.Cpu.Processor.Meter[Cost.CopiedByte]);
            await world.Host.Destroy(monitor.Machine);
            Assert.Equal((UsbDeviceState.Host, 0ul), (world.Assignments[0].State, world.Host.Frames.Pins));
            Assert.Equal(world.Contents[0], await world.ReadByHost(0));
        });
    }

    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void A_monitor_that_dies_in_the_middle_of_a_transfer_leaves_a_gap_in_the_VM_and_nothing_else(string controller)
    {
        using SingleDeviceWorld world = new(controller, contentBytes: 128 * 1024);
        world.Host.Loop.Run(async () =>
        {
            await world.Start();
            (UserLevelMonitor dying, EmulatedUsbController first) = Create(world, "VM 1", controller, new());
            (UserLevelMonitor _, EmulatedUsbController second) = Create(world, "VM 2", controller, new());
            Assert.True(await world.Assignments[0].Assign(first));
            Assert.True(await world.Assignments[1].Assign(second));
            Task<byte[]> lost = SingleDeviceWorld.ReadByGuest(first), read = SingleDeviceWorld.ReadByGuest(second);
            await world.UntilBusy(0);
            await dying.Kill();
            Assert.Null(dying.Machine.Pci.Find(Place));
            Assert.Equal((0, 0), (dying.PagesPresent, dying.Transfers.Running));
            _ = await Assert.ThrowsAsync<DriverException>(() => lost);
            Assert.Equal(world.Contents[1], await read);

            // A dead one takes no device; the VM gets another monitor, and its disk again.
            Assert.True(await world.Assignments[0].TakeBack());
            Assert.False(await world.Assignments[0].Assign(first));
            Assert.Equal(UsbDeviceState.Host, world.Assignments[0].State);
            EmulatedUsbController again = Plug(world, new(dying.Machine), controller);
            Assert.True(await world.Assignments[0].Assign(again));
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(again));
        });
        Assert.Equal(0ul, world.Host.Faults.Total);
    }

    [Theory]
    [InlineData("ehci")]
    [InlineData("xhci")]
    public void Whatever_becomes_of_one_monitor_or_its_pages_the_other_guest_reads_its_own_disk(string controller)
    {
        int lost = 0;
        int used = 0;
        ulong interrupts = 0;
        Property.Check(
            Generate.Program(
                from act in Gen.Elements(Enum.GetValues<Act>())
                from machine in Gen.Choose(0, 1)
                from seed in Gen.Choose(0, int.MaxValue - 1)
                select (act, machine, seed),
                8),
            program =>
            {
                using SingleDeviceWorld world = new(controller, contentBytes: 16 * 1024);
                world.Host.Loop.Run(async () =>
                {
                    Pair pair = new(world, controller);
                    await pair.Start();
                    foreach ((Act act, int machine, int seed) in program)
                    {
                        await pair.Do(act, machine, new(seed));
                        await pair.Check();
                    }

                    await pair.End();
                    lost += pair.Lost;
                });
                Assert.Equal(0ul, world.Host.Faults.Total);

                // U3 and U5.
                Assert.Equal((0ul, 0ul), (world.Models.Premature, world.Models.Unseen));
                Assert.All(world.Buses, static bus => bus.Check());
                interrupts += world.Models.Interrupts;
                used += world.Buses.Count(static bus => bus.UsedNsMax != 0);
            },
            count: 4);
        Assert.True(lost > 0, "No read was ever cut off.");
        Assert.True(interrupts > 100 && used > 2, $"{interrupts} interrupts came, {used} buses were used.");
    }

    private static (UserLevelMonitor, EmulatedUsbController) Create(SingleDeviceWorld world, string name, string controller, MonitorOptions options)
    {
        VirtualMachine machine = world.Host.CreateMachine(name, 4 << 20);
        UserLevelMonitor monitor = new(machine, options);
        return (monitor, Plug(world, monitor, controller));
    }

    private static EmulatedUsbController Plug(SingleDeviceWorld world, UserLevelMonitor monitor, string controller)
    {
        PciFunction function = UsbControllers.Create(controller, world.Host.Loop).Function;
        world.Buses.AddRange(MicroframeWatch.Of(function, world.Host.Loop));
        return new(monitor.Machine, function, Place, monitor: monitor);
    }

    /// <summary>Two VMs, each with a monitor, a controller in it, and a disk of the host.</summary>
    private sealed class Pair(SingleDeviceWorld world, string controller)
    {
        private const ulong PageBytes = 4096;
        private readonly UserLevelMonitor[] _monitors = new UserLevelMonitor[2];
        private readonly EmulatedUsbController[] _controllers = new EmulatedUsbController[2];

        /// <summary>How many reads were cut off.</summary>
        public int Lost { get; private set; }

        public async Task Start()
        {
            await world.Start();
            for (int number = 0; number < 2; number++)
                await CreateMachine(number);
        }

        public async Task Do(Act act, int number, Random random)
        {
            VirtualMachine machine = _monitors[number].Machine;
            switch (act)
            {
                case Act.MovePages:
                    // Where structures and buffers of the drivers are, while they are used.
                    Task<byte[]> read = SingleDeviceWorld.ReadByGuest(_controllers[number]);
                    while (!read.IsCompleted)
                    {
                        GuestPhysicalAddress page = new((ulong)(256 + random.Next(32)) * PageBytes);
                        _ = random.Next(2) == 0 ? await machine.Mover.Move(page) : await machine.Mover.SwapOut(page);
                        await world.Host.Loop.Delay((ulong)random.Next(200_000));
                    }

                    Assert.Equal(world.Contents[number], await read);
                    break;
                case Act.BalloonPages:
                    for (int count = 0; count < 8; count++)
                    {
                        GuestPhysicalAddress page = new((ulong)random.Next(200) * PageBytes);
                        _ = _monitors[number].Write(page, "lost"u8);
                        Assert.Equal(PageRefusal.None, await machine.Mover.Balloon(page));
                        byte[] found = [1, 2, 3, 4];
                        Assert.Equal(DmaStatus.Success, _monitors[number].Read(page, found));
                        Assert.Equal(new byte[4], found);
                    }

                    break;
                case Act.TakeBack:
                    Assert.True(await world.Assignments[number].TakeBack());
                    Assert.Equal(world.Contents[number], await world.ReadByHost(number));
                    Assert.True(await world.Assignments[number].Assign(_controllers[number]));
                    break;
                case Act.KillWhileBusy:
                    await KillWhileBusy(number, random);
                    break;
                case Act.EndMachine:
                    await world.Host.Destroy(machine);
                    Assert.Equal(0ul, world.Host.Frames.CountOf(machine.Owner));
                    await CreateMachine(number);
                    break;
                default:
                    break;
            }
        }

        public async Task Check()
        {
            Task<byte[]>[] reads = [.. _controllers.Select(emulated => SingleDeviceWorld.ReadByGuest(emulated))];
            for (int number = 0; number < 2; number++)
            {
                Assert.Equal(world.Contents[number], await reads[number]);
                for (ulong page = 0; page < _monitors[number].Machine.Memory.Bytes / PageBytes; page++)
                    Assert.NotEqual(WindowPageState.Stale, _monitors[number].StateOf(new(page * PageBytes)));
            }

            Assert.Equal((ulong)_monitors.Sum(monitor => monitor.PagesPresent), world.Host.Frames.Pins);
        }

        public async Task End()
        {
            foreach (UserLevelMonitor monitor in _monitors)
                await world.Host.Destroy(monitor.Machine);
            Assert.Equal(0ul, world.Host.Frames.Pins);
            for (int number = 0; number < 2; number++)
                Assert.Equal(world.Contents[number], await world.ReadByHost(number));
        }

        private async Task KillWhileBusy(int number, Random random)
        {
            Task<byte[]> cut = SingleDeviceWorld.ReadByGuest(_controllers[number]);
            await world.Host.Loop.Delay((ulong)random.Next(60_000_000));
            UserLevelMonitor dead = _monitors[number];
            await dead.Kill();
            Assert.Equal(0, dead.PagesPresent);
            try
            {
                Assert.Equal(world.Contents[number], await cut);
            }
            catch (DriverException)
            {
                Lost++;
            }

            Assert.True(await world.Assignments[number].TakeBack());
            _monitors[number] = new(dead.Machine);
            await PlugIn(number);
        }

        private async Task CreateMachine(int number)
        {
            _monitors[number] = new(world.Host.CreateMachine($"VM {number + 1}", 4 << 20));
            await PlugIn(number);
        }

        private async Task PlugIn(int number)
        {
            _controllers[number] = Plug(world, _monitors[number], controller);
            Assert.True(await world.Assignments[number].Assign(_controllers[number]));
        }
    }
}
