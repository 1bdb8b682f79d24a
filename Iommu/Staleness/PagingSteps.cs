namespace Dma.Iommu;

/// <summary>The paging entries of a walk, as the cache of paging structures knows them.</summary>
internal static class PagingSteps
{
    private const ulong SecondStageRights = 3;
    private const ulong FirstStageRights = 6;
    private const ulong ExecuteDisable = 1ul << 63;

    /// <summary>Whether the way to an entry still leads to the same table and permits the same.</summary>
    /// <param name="steps">A walk; what comes after the entry is taken away, for it does not depend on that.</param>
    /// <param name="structure">First or second stage.</param>
    /// <param name="level">The level of the entry.</param>
    /// <param name="data">The table that it leads to, with what the way there permits, as the cache keeps it.</param>
    public static bool Lead(List<WalkStep> steps, WalkStructure structure, int level, ulong data)
    {
        int at = steps.FindIndex(step => step.Structure == structure && step.Level == level);
        if (at < 0)
            return false;
        steps.RemoveRange(at + 1, steps.Count - at - 1);
        ulong all = ulong.MaxValue;
        ulong any = 0;
        foreach (WalkStep step in steps.Where(step => step.Structure == structure))
        {
            all &= step.Raw.Word0;
            any |= step.Raw.Word0;
        }

        // An entry of which the walk says that it leads nowhere is never cached.
        ulong entry = steps[at].Raw.Word0;
        bool leads = steps[at].Checks.All(check => check.Passed) && (entry & 0x80) == 0;
        ulong permits = structure == WalkStructure.SecondStage ? all & SecondStageRights : (all & FirstStageRights) | (any & ExecuteDisable);
        return leads && ((entry & Translation.FrameMask) | permits) == data;
    }
}
