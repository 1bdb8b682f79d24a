namespace Dma.Vmm;

/// <summary>Isochronous slots: how many were due, and how many of them were missed or came late.</summary>
public sealed class SlotMeter
{
    /// <summary>How many were due.</summary>
    public ulong Due { get; private set; }

    /// <summary>How many of them nothing, or nothing in time, was moved in.</summary>
    public ulong Missed { get; private set; }

    /// <summary>The part that was missed, 0 to 1; 0 where none was due.</summary>
    public double MissRate => Due == 0 ? 0 : (double)Missed / Due;

    /// <summary>A slot is over.</summary>
    /// <param name="isMissed">Whether it was missed or late.</param>
    public void Add(bool isMissed)
    {
        Due++;
        Missed += isMissed ? 1u : 0;
    }
}
