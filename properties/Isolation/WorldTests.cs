using Dma.Lab;

namespace Dma.Properties;

/// <summary>Random worlds of VMs, devices and hostile guests: nothing that isolation rules out happens in any of them.</summary>
public sealed class WorldTests
{
    private const int Workers = 2;

    // A run of CI plays twenty times as many as one at a desk.
    private static ulong Worlds => Property.Depth >= 3 ? (ulong)(5000 * Property.Depth / 3) : 250;

    [Fact]
    public void No_world_breaks_isolation()
    {
        IsolationSearchResult result = new IsolationSearch { Seed = Property.Seed, WorldsMax = Worlds, Workers = Workers }.Run();
        Assert.True(
            result.Finding is null,
            $"World {result.Number} of seed {Property.Seed} (DMA_SEED={Property.SeedText}): {result.Finding}\n{result.Program}");
        Assert.Equal(Worlds, result.Worlds);
    }

    [Theory]
    [InlineData("core-10th-no-interrupts", true)]
    [InlineData("friendly", false)]
    public void A_device_raises_the_vector_of_another_VM_where_interrupts_are_not_remapped_and_that_alone_is_no_finding(string profile, bool isRaised)
    {
        const string Message = "msi d0 msi+0x1558 0x20";
        using IsolationWorld world = new(WorldProgramReader.Read($"profile {profile}\nseed 38486\nwitness\nvm a 32\ndevice d0 probe\n\nassign d0 a\nopen a d0\n{Message}\n"));
        foreach (WorldStep step in world.Program.Steps)
            world.Take(step);
        world.End();
        Assert.Null(world.Violation);
        Assert.Equal(isRaised, !world.AreInterruptsIsolated);
    }

    [Fact]
    public void Worlds_get_somewhere()
    {
        // Worlds in which nothing happens would show nothing.
        ulong requests = 0, read = 0, written = 0, faults = 0, interrupts = 0;
        int mappings = 0, devices = 0;
        for (ulong number = 0; number < 80; number++)
        {
            WorldProgram program = WorldGenerator.Draw(Property.Seed, number, []);
            using IsolationWorld world = new(program);
            foreach (WorldStep step in program.Steps)
                world.Take(step);
            requests += world.Monitor.Requests;
            read += world.Host.Unit.Statistics.BytesRead;
            written += world.Host.Unit.Statistics.BytesWritten;
            faults += world.Host.Unit.Statistics.Faults;
            interrupts += world.Host.Unit.Statistics.Interrupts;
            mappings += world.Devices.Sum(device => device.Mappings.Count);
            devices += world.Devices.Count(device => device.Assignment.Machine is not null);
        }

        Assert.True(
            requests > 2500 && read > 60_000 && written > 30_000 && faults > 50 && interrupts > 400 && mappings > 80 && devices > 60,
            $"{requests} requests, {read} bytes read, {written} written, {faults} faults, {interrupts} interrupts, {mappings} mappings, {devices} devices assigned");
    }

    [Fact]
    public void A_program_is_the_same_after_it_was_written_and_read_again()
    {
        for (ulong number = 0; number < 200; number++)
        {
            string text = WorldGenerator.Draw(Property.Seed, number, [Protection.All[(int)number % Protection.All.Count]]).ToString();
            Assert.Equal(text, WorldProgramReader.Read(text).ToString());
        }
    }

    [Fact]
    public void A_world_is_the_same_each_time_and_whoever_plays_it()
    {
        for (ulong number = 0; number < 10; number++)
            Assert.Equal(Fingerprint(number), Fingerprint(number));
        IsolationSearchResult[] results = [.. new[] { 1, 3 }.Select(workers =>
            new IsolationSearch { Seed = 5, WorldsMax = 2000, Workers = workers, Without = [Protection.SourceValidation] }.Run())];
        Assert.NotNull(results[0].Finding);
        Assert.Equal((results[0].Number, results[0].Finding, $"{results[0].Program}"), (results[1].Number, results[1].Finding, $"{results[1].Program}"));
    }

    private static (ulong, ulong, ulong, ulong) Fingerprint(ulong number)
    {
        WorldProgram program = WorldGenerator.Draw(Property.Seed, number, []);
        using IsolationWorld world = new(program);
        foreach (WorldStep step in program.Steps)
            world.Take(step);
        world.End();
        return (world.Monitor.Requests, world.Host.Loop.NowNs, world.Host.Loop.EventsRun, world.Host.Unit.Statistics.Walks);
    }
}
