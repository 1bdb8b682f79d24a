namespace Dma.UsbDevice.Spec;

/// <summary>How much of the bus below a transaction translator is promised, by the microframe in which it is started (USB 2.0, transaction translator; best case budget).</summary>
/// <remarks>
/// Six microframes of a frame can be used whole, of the seventh 30 µs, and nothing of the eighth; what does not fit into
/// one runs on into the next, as long as each begins in its own. What is longer than a microframe needs the microframes
/// that it fills for itself. So results are there by the fourth microframe behind a start, where complete-splits end.
/// </remarks>
/// <param name="frames">Frames in the list, a power of two.</param>
/// <param name="thinkNs">What the translator needs between two transactions, in nanoseconds: 8 full-speed bit times for each unit of its think time and one more.</param>
public sealed class TranslatorBudget(int frames, uint thinkNs = 667)
{
    private const int Microframes = 8;
    private const int StartsMax = 16;
    private const uint MicroframeNs = 125_000;
    private const uint SeventhNs = 30_000;

    private readonly uint[] _loads = new uint[frames * Microframes];
    private readonly int[] _starts = new int[frames * Microframes];

    /// <summary>What was promised by the microframe of its start, in nanoseconds.</summary>
    public ReadOnlySpan<uint> Loads => _loads;

    /// <summary>Promises the turns of an endpoint.</summary>
    /// <param name="turns">Its turns on the bus above.</param>
    /// <param name="ns">What a turn takes on the bus below, in nanoseconds.</param>
    /// <returns><c>false</c>, and nothing is promised, where a frame would not hold them.</returns>
    public bool TryAdmit(in PeriodicTurns turns, uint ns)
    {
        for (int frame = turns.Frame; frame < frames; frame += turns.FramePeriod)
        {
            if (!Fits(frame, turns, ns + thinkNs))
                return false;
        }

        Change(turns, ns + thinkNs, isRemoval: false);
        return true;
    }

    /// <summary>Takes a promise back.</summary>
    /// <exception cref="InvalidOperationException">It was never made.</exception>
    public void Remove(in PeriodicTurns turns, uint ns) => Change(turns, ns + thinkNs, isRemoval: true);

    private bool Fits(int frame, in PeriodicTurns turns, uint ns)
    {
        ReadOnlySpan<uint> loads = _loads.AsSpan(frame * Microframes, Microframes);
        int first = turns.FirstMicroframe;
        for (int full = 0; full < ns / MicroframeNs; full++)
        {
            if (first + full >= Microframes || loads[first + full] != 0)
                return false;
        }

        uint carried = 0;
        for (int microframe = 0; microframe < Microframes; microframe++)
        {
            uint limit = microframe < 6 ? MicroframeNs : microframe == 6 ? SeventhNs : 0;

            // What begins here must find time here: the new one behind all others, the others behind what runs on.
            uint before = carried + (microframe == first ? loads[microframe] : 0);
            bool begins = microframe == first || loads[microframe] != 0;
            if (begins && before >= limit)
                return false;
            uint all = carried + loads[microframe] + (microframe == first ? ns : 0);
            carried = all - Math.Min(all, limit);
            if ((turns.StartMask >> microframe & 1) != 0 && _starts[(frame * Microframes) + microframe] >= StartsMax)
                return false;
        }

        return carried == 0;
    }

    private void Change(in PeriodicTurns turns, uint ns, bool isRemoval)
    {
        for (int frame = turns.Frame; frame < frames; frame += turns.FramePeriod)
        {
            ref uint load = ref _loads[(frame * Microframes) + turns.FirstMicroframe];
            if (isRemoval && load < ns)
                throw new InvalidOperationException("What is taken out was never promised.");
            load = isRemoval ? load - ns : load + ns;
            for (int microframe = 0; microframe < Microframes; microframe++)
            {
                if ((turns.StartMask >> microframe & 1) == 0)
                    continue;
                ref int starts = ref _starts[(frame * Microframes) + microframe];
                starts = isRemoval ? starts - 1 : starts + 1;
            }
        }
    }
}
