using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A guest that writes anything into its management device's registers and slots, beside one that means no harm.</summary>
public sealed class HostileManagementTests
{
    private static readonly ulong[] _addresses =
    [
        0, 1, 0x1000, ManagementGuest.MemoryBytes - 8, ManagementGuest.MemoryBytes, 0xFEE0_0000, 0xFEDF_FFFC, 0xFFFF_FFFF, 1ul << 32, MemoryLayout.BarStart,
        ulong.MaxValue, ulong.MaxValue - 63, 0x20_0000, 0x21_0000,
    ];

    private static readonly uint[] _lengths = [0, 1, 4, 64, 256, 4096, 65_536, 65_537, int.MaxValue, uint.MaxValue];

    private static Gen<uint> Any32 => Gen.Choose(int.MinValue, int.MaxValue).Select(value => (uint)value);

    private static Gen<ulong> Address => Gen.Frequency((5, Gen.Elements(_addresses)), (3, Gen.Choose(0, 0x7FFF).Select(value => (ulong)value)), (1, Generate.Any64));

    private static Gen<uint> Length => Gen.Frequency((3, Gen.Elements(_lengths)), (2, Gen.Choose(0, 300).Select(value => (uint)value)), (1, Any32));

    private static Gen<Action<ManagementGuest>> Slots =>
        from command in Gen.Frequency((9, Gen.Elements(Enum.GetValues<ManagementCommand>())), (1, Gen.Choose(0, 255).Select(value => (ManagementCommand)value)))
        from slot in Gen.Choose(0, 31)
        from destination in Gen.Choose(0, 4)
        from handle in Gen.Frequency((1, Any32), (2, Gen.Choose(0x100, 0x110).Select(value => (uint)value)))
        from argument in Gen.Frequency((1, Generate.Any64), (2, Gen.Choose(0, 7).Select(value => (ulong)value)))
        from input in Address
        from output in Address
        from inputLength in Length
        from outputLength in Length
        select new Action<ManagementGuest>(guest =>
        {
            ManagementRequest request = new()
            {
                Command = command,
                Destination = (uint)destination,
                Handle = handle,
                Argument = argument,
                Input = new(input),
                Output = new(output),
                InputLength = inputLength,
                OutputLength = outputLength,
                ClaimedSource = 2,
            };
            guest.Put(slot, request);
            guest.Write(ManagementOffsets.Doorbell, 1u << slot);
        });

    private static Gen<Action<ManagementGuest>> Registers =>
        from offset in Gen.Choose(0, 0x40)
        from value in Any32
        select new Action<ManagementGuest>(guest => guest.Write(offset, value));

    private static Gen<Action<ManagementGuest>> Tables =>
        from address in Address
        select new Action<ManagementGuest>(guest =>
        {
            guest.Write(ManagementOffsets.TableLow, (uint)address);
            guest.Write(ManagementOffsets.TableHigh, (uint)(address >> 32));
        });

    private static Gen<Action<ManagementGuest>> Steps => Gen.Frequency(
        (8, Slots),
        (2, Registers),
        (1, Tables),
        (1, Gen.Constant(new Action<ManagementGuest>(guest => guest.Begin()))),
        (1, Gen.Constant(new Action<ManagementGuest>(guest => guest.Write(ManagementOffsets.Doorbell, uint.MaxValue)))),
        (4, Gen.Constant(new Action<ManagementGuest>(guest => guest.Machine.Host.Loop.RunFor(20_000)))));

    [Fact]
    public void Whatever_a_guest_writes_no_byte_outside_its_own_memory_changes_and_its_neighbour_is_served() =>
        Property.Check(Generate.Program(Steps, 40), Run, count: 60);

    [Fact]
    public void A_neighbour_that_gets_messages_without_asking_would_be_found()
    {
        // The same watch finds a byte that something else changed.
        using ManagementWorld world = new();
        MemorySnapshot before = new(world.Host.Memory);
        Assert.True(world[1].Machine.Cpu.TryWrite(new(0x7000), [1]));
        Assert.NotEmpty(Foreign(world, before));
    }

    private static void Run(Action<ManagementGuest>[] program)
    {
        using ManagementWorld world = new();
        world.Folders[1].Put("theirs", new byte[100]);
        ManagementGuest victim = world[1];

        // The victim waits for messages in a slot of its own: that is a grant, and the only one.
        MemorySnapshot before = new(world.Host.Memory);
        foreach (Action<ManagementGuest> step in program)
            step(world[0]);
        world.Host.Loop.RunFor(2_000_000);
        Assert.Empty(Foreign(world, before));
        Assert.Equal(["theirs"], world.Folders[1].Files);
        Assert.True(world.Folders[0].BytesUsed <= ManagementWorld.QuotaBytes);

        // Its neighbour is served as if it were alone, but for messages that wait for it.
        (ManagementCompletion completion, byte[] output) = victim.Run(new() { Command = ManagementCommand.Sha256 }, new byte[64], 32);
        Assert.Equal((ManagementResult.Done, 32), (completion.Result, output.Length));
        int waiting = world.Core.InboxOf(victim.Machine);
        Assert.InRange(waiting, 0, 8);
        for (; waiting > 0; waiting--)
        {
            // One that is too long for the buffer stays, and what arrives is from whoever sent it.
            (completion, _) = victim.Run(new() { Command = ManagementCommand.Receive }, outputLength: ManagementGuest.BufferBytes);
            Assert.True(completion is { Result: ManagementResult.NoRoom } or { Result: ManagementResult.Done, Source: 1 });
        }
    }

    // Changes anywhere but in the first guest's memory.
    private static IEnumerable<string> Foreign(ManagementWorld world, MemorySnapshot before) =>
        from change in before.Changes(world.Host.Memory)
        where world.Host.Frames.OwnerOf(change.Start) != world[0].Machine.Owner
        select $"{change.Length} bytes at {change.Start}";
}
