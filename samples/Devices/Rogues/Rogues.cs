using Dma.Machine;

namespace Dma.Devices;

/// <summary>All rogue devices.</summary>
public static class Rogues
{
    /// <summary>Makers of new ones, one for each habit; each is given the time it lives in.</summary>
    public static IReadOnlyList<Func<EventLoop, RogueDevice>> All { get; } =
    [
        static _ => new InterruptForger(),
        static loop => new InterruptStorm(loop),
        static _ => new TranslationForger(),
        static _ => new TranslationKeeper(),
        static _ => new PageRequestFlood(),
        static _ => new Impostor(),
        static _ => new LateWriter(),
        static _ => new InterruptRangeReader(),
    ];
}
