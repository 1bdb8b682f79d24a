namespace Dma.Properties;

/// <summary>Holds steady work to allocating nothing, beside tests on other threads that do.</summary>
internal static class Allocation
{
    /// <summary>Checks that no stretch of some work allocates anything on this thread.</summary>
    /// <remarks>
    /// A collection counts what is left of each thread's allocation context as allocated, whoever asked for it. So a stretch in which
    /// one happened says nothing; of many short ones, most are without.
    /// </remarks>
    /// <param name="stretches">How many stretches the work has.</param>
    /// <param name="run">Runs one of them, given its number from 0 on.</param>
    public static void CheckNone(int stretches, Action<int> run)
    {
        int undisturbed = 0;
        for (int stretch = 0; stretch < stretches; stretch++)
        {
            int collections = GC.CollectionCount(0);
            long before = GC.GetAllocatedBytesForCurrentThread();
            run(stretch);
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            if (GC.CollectionCount(0) != collections)
                continue;
            Assert.Equal(0, bytes);
            undisturbed++;
        }

        Assert.True(undisturbed > 0, $"A collection happened in each of {stretches} stretches.");
    }
}
