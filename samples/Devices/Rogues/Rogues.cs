namespace Dma.Devices;

/// <summary>All rogue devices.</summary>
public static class Rogues
{
    /// <summary>Makers of new ones, one for each habit.</summary>
    public static IReadOnlyList<Func<RogueDevice>> All { get; } =
    [
        static () => new InterruptForger(),
        static () => new InterruptStorm(),
        static () => new TranslationForger(),
        static () => new TranslationKeeper(),
        static () => new PageRequestFlood(),
        static () => new Impostor(),
        static () => new LateWriter(),
        static () => new InterruptRangeReader(),
    ];
}
