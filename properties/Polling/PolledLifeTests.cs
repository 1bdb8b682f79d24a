using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Random programs of several VMs with one poller: devices come and go, VMs end and start, registers move, and each VM is as it would be alone.</summary>
public sealed class PolledLifeTests
{
    private const int Programs = 200;
    private const ulong FreePage = 0xC800_0000;

    [Fact]
    public void Whatever_becomes_of_one_VM_the_others_and_their_devices_are_as_if_it_had_never_been_there()
    {
        int given = 0, beside = 0, strays = 0, exits = 0, arrived = 0;
        Property.Check(
            PolledProgram.All,
            program =>
            {
                using PolledWorld world = new(program);
                world.Play();
                for (int number = 0; number < program.Machines; number++)
                {
                    using PolledWorld alone = new(program, only: number);
                    alone.Play();
                    Assert.Equal(alone[number].Transcript, world[number].Transcript);
                }

                (given, beside) = (given + world.PagesGivenBack, beside + world.EndedBeside);
                (strays, exits) = (strays + world.Lives.Sum(static life => life.Strays), exits + world.Lives.Sum(static life => life.Exits));
                arrived += world.Lives.Sum(static life => life.Arrived);
            },
            Programs);
        Assert.True(given > Programs / 2, $"{given} pages were given back.");
        Assert.True(beside > Programs / 8, $"{beside} devices went while others stored.");
        Assert.True(strays > Programs && exits > Programs / 5 && arrived > 50 * Programs, $"{arrived} stores arrived, {strays} went nowhere, {exits} found a full ring.");
    }

    [Fact]
    public void A_poller_that_interrupts_before_it_has_written_status_is_found_by_random_programs()
    {
        int broken = 0;
        Property.Check(
            PolledProgram.All,
            program =>
            {
                using PolledWorld world = new(program, publishesFirst: false);
                broken += Record.Exception(world.Play) is null ? 0 : 1;
            },
            Programs / 4);
        Assert.True(broken > 0);
    }

    [Theory]
    [InlineData("nothing", false)]
    [InlineData("another VM", true)]
    [InlineData("the registers of another VM", true)]
    [InlineData("a second place", true)]
    [InlineData("given back", true)]
    public void A_page_that_is_mapped_twice_or_stays_when_it_was_given_back_is_found(string what, bool isFound)
    {
        using PolledWorld world = new(new(PolledAccess.EveryPage, Machines: 2, ChangesMax: 4, IdleTurnsMax: null, []));
        world.CheckPages();
        (VirtualMachine first, VirtualMachine second) = (world[0].Machine, world[1].Machine);
        PhysicalAddress FrameOf(PolledLife life) => life.Machine.Memory.Tables.Walk(new(life.DecodedAt!.Value), EptRights.Read).Address;
        switch (what)
        {
            case "another VM":
                Map(second, FreePage, FrameOf(world[0]));
                break;
            case "the registers of another VM":
                second.Memory.Tables.Change(new(world[1].DecodedAt!.Value), FrameOf(world[0]), EptRights.ReadWrite);
                break;
            case "a second place":
                Map(first, FreePage, FrameOf(world[0]));
                break;
            case "given back":
                PhysicalAddress frame = FrameOf(world[0]);
                ulong place = world[0].DecodedAt!.Value;
                world[0].Begin(new(0, PolledAct.Plug, Seed: 1));
                Map(first, place, frame);
                break;
            default:
                world[0].Begin(new(0, PolledAct.Plug, Seed: 1));
                break;
        }

        Exception? found = Record.Exception(world.CheckPages);
        Assert.Equal(isFound, found is not null);
    }

    private static void Map(VirtualMachine machine, ulong page, PhysicalAddress frame) =>
        Assert.True(machine.Memory.Tables.TryMap(new(page), frame, FrameSize.Page4K, EptRights.ReadWrite, EptMemoryType.WriteBack));
}
