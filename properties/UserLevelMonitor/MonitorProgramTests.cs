using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Random programs on a VM with a user-level monitor: what the window shows is what EPT maps, whatever becomes of the pages.</summary>
public sealed class MonitorProgramTests
{
    private const int Programs = 134;
    private const int ServedPrograms = 170;

    public static TheoryData<string, int?, bool> Windows => new()
    {
        { nameof(MonitorAccess.Window), null, false },
        { nameof(MonitorAccess.Window), null, true },
        { nameof(MonitorAccess.Window), 5, false },
        { nameof(MonitorAccess.Window), 1, true },
        { nameof(MonitorAccess.SystemCall), null, false },
    };

    [Theory]
    [MemberData(nameof(Windows))]
    public void A_window_shows_what_EPT_maps_and_nothing_else(string access, int? pages, bool isLazy) => Property.Check(
        MonitorStep.Programs,
        program =>
        {
            using MonitorBench bench = new(new() { Access = Enum.Parse<MonitorAccess>(access), WindowPages = pages }, isLazy);
            bench.Play(program);
        },
        Programs);

    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData(5, false)]
    [InlineData(1, true)]
    public void In_a_service_VM_a_window_shows_what_EPT_maps_and_nothing_else_though_its_driver_does_not_flush(int? pages, bool isLazy)
    {
        int number = 0;
        Property.Check(
            MonitorStep.Programs,
            program =>
            {
                // The VMM flushes, and waits for no driver.
                ShootDown driver = (ShootDown)(number++ % 2);
                using MonitorBench bench = new(new() { WindowPages = pages, ShootDown = driver }, isLazy, new());
                bench.Play(program);
            },
            ServedPrograms);
    }

    [Theory]
    [InlineData(ShootDown.None, false)]
    [InlineData(ShootDown.Unflushed, false)]
    [InlineData(ShootDown.None, true)]
    public void A_VMM_that_does_not_shoot_down_what_it_shows_a_service_VM_is_found_by_random_programs(ShootDown shootDown, bool isLazy)
    {
        int broken = 0;
        Property.Check(
            MonitorStep.Programs,
            program =>
            {
                using MonitorBench bench = new(new() { ShootDown = ShootDown.Unflushed }, isLazy, new() { ShootDown = shootDown });
                broken += Record.Exception(() => bench.Play(program)) is null ? 0 : 1;
            },
            Programs / 4);
        Assert.True(broken > 0);
    }

    [Theory]
    [InlineData(ShootDown.None, false)]
    [InlineData(ShootDown.Unflushed, false)]
    [InlineData(ShootDown.None, true)]
    public void Without_a_shoot_down_random_programs_find_the_stale_page_by_themselves(ShootDown shootDown, bool isLazy)
    {
        int broken = 0;
        Property.Check(
            MonitorStep.Programs,
            program =>
            {
                using MonitorBench bench = new(new() { ShootDown = shootDown }, isLazy);
                broken += Record.Exception(() => bench.Play(program)) is null ? 0 : 1;
            },
            Programs / 4);
        Assert.True(broken > 0);
    }
}
