namespace Dma.Vmm;

/// <summary>How evenly something is shared out.</summary>
public static class Fairness
{
    /// <summary>Jain's index, (sum x)² / (n sum x²): 1 where all have the same, 1/n where one has everything.</summary>
    /// <param name="shares">What each has, in any unit, not negative.</param>
    /// <returns>1 where there is nothing to share, or nobody.</returns>
    public static double Jain(ReadOnlySpan<double> shares)
    {
        (double sum, double squares) = (0, 0);
        foreach (double share in shares)
            (sum, squares) = (sum + share, squares + (share * share));
        return squares == 0 ? 1 : sum * sum / (shares.Length * squares);
    }
}
