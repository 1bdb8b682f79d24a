namespace Dma.Vmm;

/// <summary>How the drivers of all dummies of a VM behaved, since it has its register set.</summary>
/// <remarks>
/// A driver that does what the notices ask is waited for. One that lapses too often is not: it is told all the same, and
/// if it does not listen, it deceives itself alone.
/// </remarks>
/// <param name="options">How many lapses are too many, and when they are forgotten.</param>
public sealed class DummyConduct(DummyOptions options)
{
    private int _lapses;
    private int _mirroredInARow;

    /// <summary>Notices that were not answered in time.</summary>
    public ulong Silences { get; private set; }

    /// <summary>Refusals that stopped nobody, since the books showed that there was time.</summary>
    public ulong Disproved { get; private set; }

    /// <summary>Requests of drivers that answer nothing: refusals of what they were not told last, and more requests than a notice needs.</summary>
    public ulong Unasked { get; private set; }

    /// <summary>Whether requests of other VMs wait for what its drivers say.</summary>
    public bool IsTrusted => _lapses < options.LapsesMax;

    internal void WasSilent()
    {
        Silences++;
        Lapse();
    }

    internal void WasDisproved()
    {
        Disproved++;
        Lapse();
    }

    internal void WasUnasked() => Unasked++;

    internal void HasMirrored()
    {
        if (++_mirroredInARow >= options.MirroredMin)
            _lapses = 0;
    }

    private void Lapse() => (_lapses, _mirroredInARow) = (_lapses + 1, 0);
}
