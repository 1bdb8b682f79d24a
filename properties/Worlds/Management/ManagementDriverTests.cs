using System.Security.Cryptography;
using Dma.Devices;
using Dma.Drivers;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The guest driver, which knows the HAL alone, on the management device.</summary>
public sealed class ManagementDriverTests
{
    private static readonly SourceId _place = new(0, 4, 0);

    [Fact]
    public void A_file_comes_back_as_it_was_sent_in_pieces_of_any_size()
    {
        using World world = new();
        Property.Check(
            from length in Gen.Frequency((3, Gen.Choose(0, 3_000)), (1, Gen.Choose(60_000, 140_000)))
            from up in Gen.Choose(1, 70_000)
            from down in Gen.Choose(1, 70_000)
            from seed in Gen.Choose(0, int.MaxValue)
            select (Length: length, Up: Math.Min(Math.Max(up, length / 40), 65_536), Down: Math.Min(Math.Max(down, length / 40), 65_536), Seed: seed),
            drawn => world.Run(async () =>
            {
                byte[] bytes = new byte[drawn.Length];
                new Random(drawn.Seed).NextBytes(bytes);
                ManagementFiles files = new(world.First);
                Assert.Equal(ManagementResult.Done, await files.Upload("file", bytes, drawn.Up));
                Assert.Equal(bytes, world.Folder.Get("file"));
                FileDownload read = await files.Download("file", drawn.Down);
                Assert.Equal((ManagementResult.Done, false), (read.Result, read.IsTorn));
                Assert.True(read.Bytes.Span.SequenceEqual(bytes));
            }),
            count: 60);
    }

    [Fact]
    public void A_file_that_the_host_changes_or_shortens_meanwhile_is_torn_and_never_more_than_the_host_has()
    {
        using World world = new();
        foreach (int length in (int[])[100, 3_000, 6_000])
        {
            world.Folder.Put("log", new byte[4_000]);
            world.Run(async () =>
            {
                Task<FileDownload> reading = new ManagementFiles(world.First).Download("log", chunk: 500).AsTask();
                await world.First.Processor.Delay(10_000);
                world.Folder.Put("log", new byte[length]);
                FileDownload read = await reading;
                Assert.Equal((ManagementResult.Done, true), (read.Result, read.IsTorn));
                Assert.True(read.Bytes.Length <= 4_000);
            });
        }
    }

    [Fact]
    public void A_message_takes_one_exit_on_each_side_and_two_copies_of_each_byte()
    {
        using World world = new();
        world.Run(async () =>
        {
            ManagementChat one = new(world.First), two = new(world.Second);
            ulong copied = Copied(world);
            (ulong first, ulong second) = (ExitsOf(world, 0), ExitsOf(world, 1));
            Task<ManagementReply> waiting = two.Receive().AsTask();
            Assert.Equal(ManagementResult.Done, await one.Send(world.Second.Self, new byte[50_000]));
            Assert.Equal((50_000, 1u), ((await waiting).Output.Length, (await waiting).Completion.Source));

            // The number of the receiver was read from a register: that is the one more.
            Assert.Equal((1ul, 2ul), (ExitsOf(world, 0) - first, ExitsOf(world, 1) - second));
            Assert.Equal(100_000ul, Copied(world) - copied);
        });
    }

    [Fact]
    public void Names_are_found_until_they_are_withdrawn_or_their_owner_resets()
    {
        using World world = new();
        world.Run(async () =>
        {
            ManagementChat one = new(world.First), two = new(world.Second);
            Assert.Equal(ManagementChat.Host, await one.Find("host"));
            Assert.Equal(ManagementResult.Done, await two.Publish("a"));
            Assert.Equal(ManagementResult.Done, await two.Publish("a"));
            Assert.Equal(ManagementResult.NameTaken, await one.Publish("a"));
            Assert.Equal(ManagementResult.NotFound, await one.Withdraw("a"));
            Assert.Equal(2u, await one.Find("a"));
            Assert.Equal(ManagementResult.Done, await two.Withdraw("a"));
            Assert.Null(await one.Find("a"));
            foreach (string bad in (string[])["", "with space", "näme", new string('x', 33)])
                Assert.Equal(ManagementResult.BadName, await one.Publish(bad));
            foreach (string name in (string[])["a", "b", "c", "d"])
                Assert.Equal(ManagementResult.Done, await one.Publish(name));
            Assert.Equal(ManagementResult.QuotaExceeded, await one.Publish("e"));
            Assert.Equal(["a", "b", "c", "d", "host"], world.Core.Names.Select(entry => entry.Key));
            await world.First.Stop();
            await world.First.Processor.Delay(10_000);
            Assert.Equal(["host"], world.Core.Names.Select(entry => entry.Key));
        });
    }

    [Fact]
    public void The_host_talks_to_a_VM_and_a_VM_to_the_host()
    {
        using World world = new();
        world.Run(async () =>
        {
            ManagementChat one = new(world.First);
            Task<ManagementResult> sent = world.Core.Mailbox.Send(1, "to you"u8.ToArray()).AsTask();
            ManagementReply got = await one.Receive();
            Assert.Equal((ManagementChat.Host, ManagementResult.Done), (got.Completion.Source, await sent));
            Assert.Equal("to you"u8, got.Output.Span);
            Task<ManagementResult> back = one.Send(ManagementChat.Host, "to the host"u8.ToArray()).AsTask();
            Assert.True(await world.Core.Mailbox.WaitForMessage());
            Assert.False(back.IsCompleted);
            Assert.True(world.Core.Mailbox.TryReceive(out uint source, out ReadOnlyMemory<byte> message));
            Assert.Equal((1u, ManagementResult.Done), (source, await back));
            Assert.Equal("to the host"u8, message.Span);
            Assert.False(await world.Core.Mailbox.WaitForMessage(1_000));
        });
    }

    [Fact]
    public void The_results_of_the_host_are_those_of_the_guest()
    {
        using World world = new();
        world.Run(async () =>
        {
            ManagementCalculator calculator = new(world.First);
            byte[] bytes = new byte[65_536];
            new Random(5).NextBytes(bytes);
            Assert.Equal(SHA256.HashData(bytes), (await calculator.Sha256(bytes)).ToArray());

            // The check value of CRC-32C.
            Assert.Equal(0xE306_9283u, await calculator.Crc32C("123456789"u8.ToArray()));
            DriverException refused = await Assert.ThrowsAsync<DriverException>(async () => await calculator.Sort(new byte[7]));
            Assert.Equal(DriverFailure.RequestRefused, refused.Failure);
        });
    }

    [Fact]
    public void A_driver_is_replaced_and_the_others_do_not_notice()
    {
        using World world = new();
        world.Run(async () =>
        {
            Task<ManagementReply> theirs = new ManagementChat(world.Second).Receive().AsTask();
            Task<ManagementReply> old = new ManagementChat(world.First).Receive().AsTask();
            await world.First.Processor.Delay(20_000);
            await world.First.Stop();
            Assert.Equal(ManagementResult.Cancelled, (await old).Result);
            ManagementDriver next = await world.Start(0);
            Assert.Equal(1u, next.Self);
            Assert.False(theirs.IsCompleted);
            Assert.Equal(ManagementResult.Done, await new ManagementChat(next).Send(2, "still there?"u8.ToArray()));
            Assert.Equal("still there?"u8.ToArray(), (await theirs).Output.ToArray());
        });
    }

    [Fact]
    public void A_core_is_replaced_and_requests_that_wait_go_on_waiting()
    {
        using World world = new();
        world.Run(async () =>
        {
            ManagementChat one = new(world.First), two = new(world.Second);
            Task<ManagementReply> waiting = two.Receive().AsTask();
            Assert.Equal(ManagementResult.Done, await two.Publish("printer"));
            await world.First.Processor.Delay(20_000);
            ManagementCore old = world.Core;
            world.Core = new(world.Host, world.Core.HandOver());
            Assert.False(old.IsRunning);
            Assert.Equal(ManagementResult.Done, await one.Send((await one.Find("printer"))!.Value, "page"u8.ToArray()));
            Assert.Equal("page"u8.ToArray(), (await waiting).Output.ToArray());
            Assert.False(world.First.TakeCoreLost());
            Assert.Throws<InvalidOperationException>(old.Fail);
            Assert.Throws<InvalidOperationException>(() => world.Core.Attach(world.Machines[0], world.Devices[0], new()));
        });
    }

    [Fact]
    public void A_request_that_nobody_serves_ends_in_time()
    {
        using World world = new();
        world.Run(async () =>
        {
            // Nobody sends: the device lets go of it when it is told to.
            Assert.Equal(ManagementResult.Cancelled, (await new ManagementChat(world.First).Receive(timeoutNs: 100_000)).Result);

            // Nobody serves: the slot cannot be had back, and the driver says so.
            world.Core.Fail();
            DriverException failure = await Assert.ThrowsAsync<DriverException>(async () => await new ManagementChat(world.First).Receive(timeoutNs: 100_000));
            Assert.Equal(DriverFailure.ControllerTimeout, failure.Failure);
            Assert.Equal(0u, world.First.Self == 1 ? 0u : 1u);
            world.Core = new(world.Host);
            _ = world.Core.Attach(world.Machines[0], world.Devices[0], new());
            Assert.True(world.First.TakeCoreLost());
            Assert.False(world.First.TakeCoreLost());
            Assert.Equal(ManagementResult.Done, await new ManagementChat(world.First).Publish("again"));
        });
    }

    [Fact]
    public void What_is_no_management_device_is_refused()
    {
        using World world = new();
        world.Machines[0].Pci.Add(new EduDevice(world.Host.Loop), 9);
        world.Machines[0].Pci.WriteConfiguration(new(0, 9, 0), PciOffset.Bar0, 4, (uint)(MemoryLayout.BarEnd - EduDevice.WindowLength));
        world.Run(async () =>
        {
            PciDevice other = world.Open(0, new(0, 9, 0), 0x50);
            DriverException failure = await Assert.ThrowsAsync<DriverException>(async () => await ManagementDriver.Start(other, ManagementModes.All));
            Assert.Equal(DriverFailure.NotAManagementDevice, failure.Failure);
        });
    }

    /// <summary>Two VMs with their drivers.</summary>
    private sealed class World : IDisposable
    {
        private const ulong MiB = 1 << 20;
        private readonly FrameAllocator[] _frames = [new(new(MiB), 3 * MiB), new(new(MiB), 3 * MiB)];

        public World()
        {
            Host = new(new() { MemoryBytes = 16 * MiB, VmmBytes = 2 * MiB });
            Core = new(Host);
            foreach (string name in (string[])["VM 1", "VM 2"])
            {
                VirtualMachine machine = Host.CreateMachine(name, 4 * MiB);
                Devices.Add(Core.Plug(machine, _place.Device, new() { Folder = Folder }));
                Machines.Add(machine);
            }

            Run(async () => (First, Second) = (await Start(0), await Start(1)));
        }

        public Host Host { get; }

        public ManagementCore Core { get; set; }

        public MemoryFolder Folder { get; } = new();

        public List<VirtualMachine> Machines { get; } = [];

        public List<ManagementDevice> Devices { get; } = [];

        public ManagementDriver First { get; private set; } = null!;

        public ManagementDriver Second { get; private set; } = null!;

        public void Dispose() => Host.Dispose();

        public void Run(Func<Task> software) => Host.Loop.Run(software);

        public PciDevice Open(int number, SourceId place, byte vector) => PciDevice.Open(
            Machines[number].Cpu, new PciConfigurationPorts(Machines[number].Cpu), place, new IdentityDmaSpace(Machines[number].Cpu, _frames[number]), vector);

        public async Task<ManagementDriver> Start(int number) => await ManagementDriver.Start(Open(number, _place, 0x40), ManagementModes.All);
    }

    private static ulong Copied(World world) => world.Core.Counts.Aggregate(0ul, (sum, counts) => sum + counts.BytesCopied);

    private static ulong ExitsOf(World world, int number) => world.Machines[number].Cpu.Processor.Meter[Cost.Exit];
}
