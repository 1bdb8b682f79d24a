using Dma.Devices;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>Each rogue device with what stands against it on, and off.</summary>
public static class RogueTrials
{
    private static readonly RogueDefences _all = new();
    private static readonly RogueDefences _trusting = _all with { TrustsDevice = true };

    /// <summary>All trials.</summary>
    public static IReadOnlyList<(Func<EventLoop, RogueDevice> Rogue, string Protection, bool IsOn, RogueDefences Defences)> All { get; } =
    [
        (static _ => new InterruptForger(), "interrupt remapping", true, _all),
        (static _ => new InterruptForger(), "interrupt remapping", false, _all with { RemapsInterrupts = false }),
        (static loop => new InterruptStorm(loop), "posted delivery", true, _all with { PostsInterrupts = true }),
        (static loop => new InterruptStorm(loop), "posted delivery", false, _all),
        (static _ => new TranslationForger(), "translation blocking at the port", true, _all),
        (static _ => new TranslationForger(), "no trust in the context entry", true, _all with { ControlsAccess = false }),
        (static _ => new TranslationForger(), "both", false, _trusting),
        (static _ => new TranslationKeeper(), "no trust in the context entry", true, _all),
        (static _ => new TranslationKeeper(), "no trust in the context entry", false, _trusting),
        (static _ => new PageRequestFlood(), "no page requests in the context entry", true, _all),
        (static _ => new PageRequestFlood(), "no page requests in the context entry", false, _trusting),
        (static _ => new Impostor(), "source validation at the port", true, _all),
        (static _ => new Impostor(), "source validation at the port", false, _all with { ControlsAccess = false }),
        (static _ => new LateWriter(), "invalidation", true, _all),
        (static _ => new LateWriter(), "invalidation", false, _all with { Invalidates = false }),
        (static _ => new InterruptRangeReader(), "translation", true, _all),
        (static _ => new InterruptRangeReader(), "translation", false, _all with { Translates = false, RemapsInterrupts = false }),
    ];

    /// <summary>Runs all trials, each on a machine of its own.</summary>
    public static IEnumerable<RogueResult> Run()
    {
        foreach ((Func<EventLoop, RogueDevice> rogue, string protection, bool isOn, RogueDefences defences) in All)
        {
            using RogueMachine machine = new(rogue, defences);
            yield return machine.Try(protection, isOn);
        }
    }
}
