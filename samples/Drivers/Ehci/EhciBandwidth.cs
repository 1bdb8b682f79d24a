using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>When a periodic endpoint is served: in one frame of so many, and in which microframes of it.</summary>
/// <param name="Period">From one frame to the next, 1 to 32, a power of two; 0 for an endpoint that is not periodic.</param>
/// <param name="Frame">The first frame, 0 to <paramref name="Period"/> - 1.</param>
/// <param name="StartMask">Microframes of a transaction, or of the start of a split one.</param>
/// <param name="CompleteMask">Microframes in which a split transaction is completed.</param>
internal readonly record struct PeriodicPlace(int Period, int Frame, byte StartMask, byte CompleteMask)
{
    /// <summary>Whether it may be done before its frame is over: a split is once its data is there, before its last completion.</summary>
    public bool EndsEarly => CompleteMask != 0 || StartMask >> 7 == 0;
}

/// <summary>What a periodic endpoint asks of the bus.</summary>
/// <param name="Period">From one frame to the next in which it is served.</param>
/// <param name="Masks">In which microframes it could be served, best first: starts and completions.</param>
/// <param name="StartNs">What each start takes of its microframe at most.</param>
/// <param name="CompleteNs">What each completion takes of its microframe at most.</param>
/// <param name="Translator">Whose slower bus it needs as well, or null.</param>
/// <param name="TranslatorNs">What it takes of a frame of that bus at most.</param>
internal readonly record struct PeriodicNeed(
    int Period, IReadOnlyList<(byte Start, byte Complete)> Masks, uint StartNs, uint CompleteNs, UsbTranslator? Translator, uint TranslatorNs);

/// <summary>Who takes how much of the periodic time of the bus: no microframe may be full beyond 80 percent (USB 2.0, bandwidth allocation).</summary>
/// <remarks>
/// Periods are powers of two up to <see cref="Frames"/>, so the pattern of so many frames repeats over the whole frame
/// list, and one look at each of its microframes sees all. Behind a translator the slower bus must have time as well, and at
/// that point of its frame: what comes late there finds no complete-split any more.
/// </remarks>
internal sealed class EhciBandwidth
{
    /// <summary>The longest period, in frames.</summary>
    public const int Frames = 32;

    private const uint MicroframeLimitNs = 100_000;

    private readonly uint[] _loadNs = new uint[8 * Frames];
    private readonly Dictionary<(IUsbConnection Hub, int Port), TranslatorBudget> _translators = [];
    private int _nextFrame;

    /// <summary>What is taken of each microframe, in nanoseconds.</summary>
    public ReadOnlySpan<uint> LoadNs => _loadNs;

    /// <summary>Takes time for an endpoint where there is some: the first place that fits, beginning with another frame each time.</summary>
    /// <returns><c>false</c>, and nothing changed, where it fits nowhere.</returns>
    public bool TryClaim(in PeriodicNeed need, out PeriodicPlace place)
    {
        for (int step = 0; step < need.Period; step++)
        {
            foreach ((byte start, byte complete) in need.Masks)
            {
                place = new(need.Period, (_nextFrame + step) % need.Period, start, complete);
                if (!Fits(need, place) || (need.Translator is { } translator && !BudgetOf(translator).TryAdmit(Turns(need, place), need.TranslatorNs)))
                    continue;
                _nextFrame++;
                Add(need, place, 1);
                return true;
            }
        }

        place = default;
        return false;
    }

    /// <summary>Gives the time of an endpoint back, exactly what was claimed.</summary>
    public void Return(in PeriodicNeed need, in PeriodicPlace place)
    {
        Add(need, place, -1);
        if (need.Translator is { } translator)
            BudgetOf(translator).Remove(Turns(need, place), need.TranslatorNs);
    }

    private bool Fits(in PeriodicNeed need, in PeriodicPlace place)
    {
        for (int frame = place.Frame; frame < Frames; frame += place.Period)
        {
            for (int microframe = 0; microframe < 8; microframe++)
            {
                if (_loadNs[8 * frame + microframe] + Need(need, place, microframe) > MicroframeLimitNs)
                    return false;
            }
        }

        return true;
    }

    private void Add(in PeriodicNeed need, in PeriodicPlace place, int sign)
    {
        for (int frame = place.Frame; frame < Frames; frame += place.Period)
        {
            for (int microframe = 0; microframe < 8; microframe++)
                _loadNs[8 * frame + microframe] = (uint)(_loadNs[8 * frame + microframe] + sign * Need(need, place, microframe));
        }
    }

    private static uint Need(in PeriodicNeed need, in PeriodicPlace place, int microframe) =>
        (((place.StartMask >> microframe) & 1) != 0 ? need.StartNs : 0)
        + (((place.CompleteMask >> microframe) & 1) != 0 ? need.CompleteNs : 0);

    private static PeriodicTurns Turns(in PeriodicNeed need, in PeriodicPlace place) =>
        new(place.Frame, place.Period, place.StartMask, place.CompleteMask, need.StartNs, need.CompleteNs);

    private TranslatorBudget BudgetOf(UsbTranslator translator)
    {
        (IUsbConnection Hub, int Port) key = (translator.Hub, translator.IsOfPort ? translator.Port : 0);
        if (!_translators.TryGetValue(key, out TranslatorBudget? budget))
            _translators.Add(key, budget = new(Frames));
        return budget;
    }
}
