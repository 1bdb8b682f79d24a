using Dma.Lab;

namespace Dma.Properties;

/// <summary>The canaries: with a protection taken away, worlds like those that find nothing find that.</summary>
public sealed class ProtectionTests
{
    private const ulong WorldsMax = 2000;

    public static TheoryData<string> Protections => [.. Protection.All.Select(protection => protection.Name)];

    [Theory]
    [MemberData(nameof(Protections))]
    public void A_missing_protection_is_found_soon_and_shrinks_to_a_few_lines(string name)
    {
        Protection missing = Protection.Find(name)!;
        for (ulong seed = 0; seed < (Property.Depth >= 3 ? 5ul : 1); seed++)
        {
            IsolationSearchResult result = new IsolationSearch { Seed = Property.Seed + seed, WorldsMax = WorldsMax, Workers = 1, Without = [missing] }.Run();
            Assert.True(result.Finding is not null, $"Without {name}, {WorldsMax} worlds of seed {Property.Seed + seed} find nothing.");
            Assert.NotEqual(WorldPlayer.Failure, result.Finding.Violation.Invariant);

            // What is shrunk violates the same, and only because of what is missing.
            WorldProgram small = new WorldShrinker(result.Finding.Violation.Invariant).Shrink(result.Program!);
            WorldProgram again = WorldProgramReader.Read(small.ToString());
            Assert.Equal(result.Finding.Violation.Invariant, WorldPlayer.Play(again)?.Violation.Invariant);
            Assert.Null(WorldPlayer.Play(again with { Without = [] }));
            Assert.InRange(again.Steps.Count, 0, 10);
            Assert.InRange(again.Guests.Count, 1, 2);
        }
    }

    [Fact]
    public void What_takes_two_vms_and_was_drawn_for_three_shrinks_to_two()
    {
        WorldProgram three = WorldProgramReader.Read(
            """
            without groups
            vm a 4
            vm b 8
            vm c 4
            device d0 probe
            device d1 probe
            device d2 probe beside d1
            device d3 probe beside d0

            assign d0 c
            map c d0 own:1 1 rw
            assign d1 a
            map a d1 own:7 1 rw
            assign d2 b
            open b d2
            return d1
            assign d1 c
            map c d1 own:0 1 rw
            forge-write d2 d1 gone:0 1
            """);
        WorldProgram two = new WorldShrinker(WorldPlayer.Play(three)!.Violation.Invariant).Shrink(three);
        Assert.Equal((2, 2, 5), (two.Guests.Count, two.Devices.Count, two.Steps.Count));
    }
}
