using System.Diagnostics;

namespace Dma.Properties;

/// <summary>What a library never does: ask the wall clock, roll dice without a seed, start threads, talk to the console.</summary>
public sealed class BannedCalls
{
    private static readonly HashSet<string> Types =
    [
        "System.Console", "System.TimeProvider", "System.NotImplementedException", "System.Diagnostics.Stopwatch",
        "System.Threading.Thread", "System.Threading.ThreadPool", "System.Threading.ThreadLocal`1", "System.Threading.Timer",
        "System.Threading.PeriodicTimer", "System.Timers.Timer", "System.Threading.Tasks.Parallel", "System.Threading.Tasks.TaskFactory",
    ];

    private static readonly HashSet<(string Type, string Member)> Members =
    [
        ("System.DateTime", "get_Now"), ("System.DateTime", "get_UtcNow"), ("System.DateTime", "get_Today"),
        ("System.DateTimeOffset", "get_Now"), ("System.DateTimeOffset", "get_UtcNow"),
        ("System.Environment", "get_TickCount"), ("System.Environment", "get_TickCount64"),
        ("System.Guid", "NewGuid"), ("System.Guid", "CreateVersion7"), ("System.Random", "get_Shared"),
        ("System.Threading.Tasks.Task", "Run"), ("System.Threading.Tasks.Task", "Delay"), ("System.Threading.Tasks.Task", "get_Factory"),
    ];

    [Fact]
    public void No_library_asks_the_wall_clock_rolls_dice_or_starts_threads() =>
        Assert.Empty(AssemblyFacts.Libraries.SelectMany(name => Violations(AssemblyFacts.Read(name))));

    [Fact]
    public void A_banned_call_is_found()
    {
        Assert.Equal(DateTime.UnixEpoch, Offender.Everything(run: false));
        string[] found = [.. Violations(AssemblyFacts.Read("Dma.Properties"))];
        foreach (string banned in (string[])[
            "System.DateTime.get_UtcNow", "System.DateTimeOffset.get_Now", "System.Diagnostics.Stopwatch", "System.Environment.get_TickCount64",
            "System.Random..ctor()", "System.Random.get_Shared", "System.Guid.NewGuid", "System.Threading.Thread", "System.Threading.Tasks.Task.Run",
            "System.Threading.ThreadPool", "System.Threading.Tasks.Parallel", "System.Threading.Timer", "System.Console", "System.Threading.Tasks.Task.Delay"])
        {
            Assert.Contains($"Dma.Properties uses {banned}.", found);
        }
    }

    private static IEnumerable<string> Violations(AssemblyFacts assembly)
    {
        IEnumerable<string> types = assembly.Types.Where(type => Types.Contains(type.FullName)).Select(type => type.FullName);
        IEnumerable<string> members = assembly.Members.Where(member => Members.Contains((member.Type, member.Name))).Select(member => $"{member.Type}.{member.Name}");
        IEnumerable<string> dice = assembly.Members.Where(member => member is { Type: "System.Random", Name: ".ctor", Parameters: 0 }).Select(_ => "System.Random..ctor()");
        return types.Concat(members).Concat(dice).Distinct().Select(name => $"{assembly.Name} uses {name}.");
    }

    /// <summary>Does all that is banned, so that the rule has something to catch; it is never run.</summary>
    private static class Offender
    {
        public static DateTime Everything(bool run)
        {
            if (!run)
                return DateTime.UnixEpoch;
            new Thread(() => Console.WriteLine(Stopwatch.GetTimestamp() + Environment.TickCount64)).Start();
            _ = ThreadPool.QueueUserWorkItem(_ => Parallel.Invoke());
            using Timer timer = new(_ => Task.Run(() => Task.Delay(new Random().Next())));
            return DateTime.UtcNow + (DateTimeOffset.Now - DateTimeOffset.UnixEpoch) + TimeSpan.FromTicks(Random.Shared.Next() + Guid.NewGuid().Version);
        }
    }
}
