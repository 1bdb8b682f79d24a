namespace Dma.Lab;

/// <summary>Plays world programs.</summary>
internal static class WorldPlayer
{
    /// <summary>What is violated where software of the project fails, rather than isolation.</summary>
    public const string Failure = "failure";

    /// <summary>Plays a program to its end, or to the first violation.</summary>
    /// <returns><c>null</c> where nothing was violated.</returns>
    public static WorldFinding? Play(WorldProgram program)
    {
        int step = 0;
        try
        {
            using IsolationWorld world = new(program);
            for (; step < program.Steps.Count && world.Violation is null; step++)
                world.Take(program.Steps[step]);
            if (world.Violation is null)
            {
                step++;
                world.End();
            }

            return world.Violation is { } violation ? new(violation, step) : null;
        }
#pragma warning disable CA1031 // Whatever the host's software throws while guests do their worst is a finding.
        catch (Exception failure) when (failure is not OutOfMemoryException)
#pragma warning restore CA1031
        {
            return new(new(Failure, $"{failure.GetType().Name}: {failure.Message}"), step + 1);
        }
    }
}
