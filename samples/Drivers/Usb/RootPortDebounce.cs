using Dma.Machine;

namespace Dma.Drivers;

/// <summary>Waits until a device is connected to a root port for good: a plug bounces (USB 2.0, 7.1.7.3).</summary>
internal static class RootPortDebounce
{
    private const ulong MillisecondNs = 1_000_000;
    private const int StepMs = 25;
    private const int SteadyMs = 100;
    private const int EmptyMs = 200;
    private const int PatienceMs = 1000;

    /// <summary>Waits until a connection has lasted 100 ms; bounces start the wait anew, for at most a second.</summary>
    /// <param name="processor">Who waits.</param>
    /// <param name="clearChanges">Clears the change bits of the port.</param>
    /// <param name="look">Whether something is connected, and whether that changed since they were cleared.</param>
    /// <returns>Whether something is there.</returns>
    public static async ValueTask<bool> IsConnected(Processor processor, Action clearChanges, Func<(bool Connected, bool Changed)> look)
    {
        int steady = 0;
        for (int waited = 0; waited < PatienceMs && steady < SteadyMs; waited += StepMs)
        {
            clearChanges();
            await processor.Delay(StepMs * MillisecondNs);
            (bool connected, bool changed) = look();
            steady = connected && !changed ? steady + StepMs : 0;
            if (!connected && waited >= EmptyMs)
                break;
        }

        return steady >= SteadyMs;
    }
}
