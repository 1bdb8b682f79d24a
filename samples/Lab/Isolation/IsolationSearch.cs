using System.Diagnostics;

namespace Dma.Lab;

/// <summary>Plays world after world on several threads until one violates something, or there have been enough.</summary>
/// <remarks>
/// World k of a seed is the same whoever plays it, and of several that violate something the one with the lowest number
/// counts: so the number of workers decides how long it takes, and nothing else. Each world is alone; workers share a counter.
/// </remarks>
internal sealed class IsolationSearch
{
    private static readonly TimeSpan _refresh = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private ulong _next;
    private ulong _played;
    private ulong _end;
    private (ulong Number, WorldProgram Program, WorldFinding Finding)? _first;

    /// <summary>The seed of all worlds.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How many worlds at most.</summary>
    public ulong WorldsMax { get; init; } = ulong.MaxValue;

    /// <summary>How long at most; a world that is begun is played to its end.</summary>
    public TimeSpan TimeMax { get; init; } = TimeSpan.MaxValue;

    /// <summary>How many threads play.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Protections that all worlds do without.</summary>
    public IReadOnlyList<Protection> Without { get; init; } = [];

    /// <summary>Told now and then how many worlds were played, and for how long.</summary>
    public Action<ulong, TimeSpan> Progress { get; init; } = static (_, _) => { };

    /// <summary>Searches.</summary>
    public IsolationSearchResult Run()
    {
        Stopwatch watch = Stopwatch.StartNew();
        _end = WorldsMax;
        Thread[] workers = [.. Enumerable.Range(0, Workers).Select(_ => new Thread(() => Work(watch)) { IsBackground = true })];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
        {
            while (!worker.Join(_refresh))
                Progress(Volatile.Read(ref _played), watch.Elapsed);
        }

        return new(Volatile.Read(ref _played), watch.Elapsed, _first?.Number, _first?.Program, _first?.Finding);
    }

    private void Work(Stopwatch watch)
    {
        while (watch.Elapsed < TimeMax)
        {
            ulong number = Interlocked.Increment(ref _next) - 1;
            if (number >= Volatile.Read(ref _end))
                return;
            WorldProgram program = WorldGenerator.Draw(Seed, number, Without);
            WorldFinding? finding = WorldPlayer.Play(program);
            _ = Interlocked.Increment(ref _played);
            if (finding is not null)
                Note(number, program, finding);
        }
    }

    // Worlds with a lower number that are under way, or not begun, are still played.
    private void Note(ulong number, WorldProgram program, WorldFinding finding)
    {
        lock (_gate)
        {
            if (_first is { } first && first.Number < number)
                return;
            _first = (number, program, finding);
            Volatile.Write(ref _end, number);
        }
    }
}

/// <summary>What a search came to.</summary>
/// <param name="Worlds">How many worlds were played.</param>
/// <param name="Time">How long it took.</param>
/// <param name="Number">The number of the first world that violated something; null where none did.</param>
/// <param name="Program">Its program, as it was drawn.</param>
/// <param name="Finding">What it violated.</param>
internal sealed record IsolationSearchResult(ulong Worlds, TimeSpan Time, ulong? Number, WorldProgram? Program, WorldFinding? Finding);
