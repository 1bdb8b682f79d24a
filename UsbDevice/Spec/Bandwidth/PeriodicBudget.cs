namespace Dma.UsbDevice.Spec;

/// <summary>How much of each microframe of a frame list is promised to periodic endpoints (USB 2.0, bus bandwidth reclamation; EHCI, periodic schedule).</summary>
/// <remarks>
/// Four fifths of a microframe may be promised. What is taken out gives back exactly what it took, so that the order in
/// which endpoints come and go leaves no trace.
/// </remarks>
public sealed class PeriodicBudget
{
    /// <summary>What may be promised of a microframe, in nanoseconds.</summary>
    public const uint LimitNs = 100_000;

    private const int Microframes = 8;

    // Interrupt splits are completed two, three and four microframes after their start, so that none leaves its frame.
    private const int SplitStartsMax = 4;
    private const int SplitDelay = 2;
    private const byte InterruptCompletes = 0b111;

    private readonly uint[] _loads;
    private readonly uint _limitNs;

    /// <summary>A budget of which nothing is promised.</summary>
    /// <param name="frames">Frames in the list, a power of two.</param>
    /// <param name="limitNs">What may be promised of a microframe, in nanoseconds.</param>
    public PeriodicBudget(int frames, uint limitNs = LimitNs)
    {
        if (frames < 1 || !int.IsPow2(frames))
            throw new ArgumentOutOfRangeException(nameof(frames), "A power of two.");
        (_loads, _limitNs) = (new uint[frames * Microframes], limitNs);
    }

    /// <summary>Frames in the list.</summary>
    public int Frames => _loads.Length / Microframes;

    /// <summary>What is promised of each microframe, in nanoseconds.</summary>
    public ReadOnlySpan<uint> Loads => _loads;

    /// <summary>Finds turns for an endpoint and promises them: the first that fit, frame by frame, microframe by microframe.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="translator">The budget of its transaction translator; null at high speed.</param>
    /// <param name="turns">Its turns.</param>
    /// <returns><c>false</c> where there are none left: the interface of the endpoint must not be used.</returns>
    public bool TryPlace(in PeriodicEndpoint endpoint, TranslatorBudget? translator, out PeriodicTurns turns)
    {
        int framePeriod = Math.Clamp(endpoint.Period / Microframes, 1, Frames);
        for (int frame = 0; frame < framePeriod; frame++)
        {
            for (int microframe = 0; microframe < Math.Min(endpoint.Period, Microframes); microframe++)
            {
                if (!TryTurns(endpoint, frame, framePeriod, microframe, out turns) || !TryAdmit(turns))
                    continue;
                if (translator is null || translator.TryAdmit(turns, endpoint.TranslatedNs))
                    return true;
                Remove(turns);
            }
        }

        turns = default;
        return false;
    }

    /// <summary>Promises turns that were chosen elsewhere.</summary>
    /// <returns><c>false</c>, and nothing is promised, where a microframe would be promised too much of.</returns>
    public bool TryAdmit(in PeriodicTurns turns)
    {
        bool fits = true;
        foreach ((int microframe, uint ns) in Costs(turns))
            fits &= (_loads[microframe] += ns) <= _limitNs;
        if (!fits)
            Remove(turns);
        return fits;
    }

    /// <summary>Takes a promise back.</summary>
    /// <param name="endpoint">What was placed.</param>
    /// <param name="translator">Where it was placed with one.</param>
    /// <param name="turns">Where it was placed.</param>
    public void Remove(in PeriodicEndpoint endpoint, TranslatorBudget? translator, in PeriodicTurns turns)
    {
        Remove(turns);
        translator?.Remove(turns, endpoint.TranslatedNs);
    }

    /// <summary>Takes a promise back that <see cref="TryAdmit"/> made.</summary>
    /// <exception cref="InvalidOperationException">It was never made.</exception>
    public void Remove(in PeriodicTurns turns)
    {
        foreach ((int microframe, uint ns) in Costs(turns))
        {
            if (_loads[microframe] < ns)
                throw new InvalidOperationException("What is taken out was never promised.");
            _loads[microframe] -= ns;
        }
    }

    // What turns take of which microframe; the same one may come twice, for the start in one frame and the end of another.
    private IEnumerable<(int Microframe, uint Ns)> Costs(PeriodicTurns turns)
    {
        for (int frame = turns.Frame; frame < Frames; frame += turns.FramePeriod)
        {
            for (int microframe = 0; microframe < Microframes; microframe++)
            {
                if ((turns.StartMask >> microframe & 1) != 0)
                    yield return ((frame * Microframes) + microframe, turns.StartNs);
                if ((turns.CompleteMask >> microframe & 1) == 0)
                    continue;
                bool isNextFrame = microframe < turns.FirstMicroframe + SplitDelay;
                yield return (((frame + (isNextFrame ? 1 : 0)) % Frames * Microframes) + microframe, turns.CompleteNs);
            }
        }
    }

    // The masks of an endpoint that begins in a microframe; `false` where it cannot begin there.
    private static bool TryTurns(in PeriodicEndpoint endpoint, int frame, int framePeriod, int microframe, out PeriodicTurns turns)
    {
        turns = new(frame, framePeriod, (byte)(1 << microframe), 0, endpoint.StartNs, endpoint.CompleteNs);
        if (!endpoint.IsSplit)
        {
            byte mask = 0;
            for (int each = microframe; each < Microframes; each += endpoint.Period)
                mask |= (byte)(1 << each);
            turns = turns with { StartMask = mask };
            return true;
        }

        if (!endpoint.IsIsochronous)
        {
            turns = turns with { CompleteMask = (byte)(InterruptCompletes << (microframe + SplitDelay)) };
            return microframe < SplitStartsMax;
        }

        if (!endpoint.In)
        {
            // The bus below needs the microframe behind the last start-split.
            turns = turns with { StartMask = (byte)(((1 << endpoint.Parts) - 1) << microframe) };
            return microframe + endpoint.Parts < Microframes;
        }

        // One complete-split more than parts; what lies behind the end of the frame is done in the next, by its back pointer.
        int completes = ((1 << (endpoint.Parts + 1)) - 1) << (microframe + SplitDelay);
        turns = turns with { CompleteMask = (byte)(completes | (completes >> Microframes)) };
        return microframe + endpoint.Parts < Microframes && (microframe != 1 || (completes >> Microframes & 0b10) == 0);
    }
}
