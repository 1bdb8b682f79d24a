using Dma.Machine;

namespace Dma.Drivers;

/// <summary>Waits, microframe by microframe, for a controller to do what its registers were told.</summary>
/// <param name="processor">Who waits.</param>
/// <param name="hasMemoryError">Whether the controller says that memory refused one of its accesses.</param>
internal sealed class ControllerWait(Processor processor, Func<bool> hasMemoryError)
{
    private const ulong MicroframeNs = 125_000;

    /// <summary>Waits for something without which there is no going on.</summary>
    /// <param name="timeoutNs">For how long at most.</param>
    /// <param name="failure">What the controller then did not do, as it follows "The controller".</param>
    /// <param name="condition">What is waited for.</param>
    /// <exception cref="DriverException">It did not come.</exception>
    public async ValueTask Expect(ulong timeoutNs, string failure, Func<bool> condition)
    {
        if (await Until(timeoutNs, condition))
            return;
        throw hasMemoryError()
            ? new DriverException(DriverFailure.HostSystemError, $"The controller {failure}: memory refused one of its accesses.")
            : new DriverException(DriverFailure.ControllerTimeout, $"The controller {failure}.");
    }

    /// <summary>Waits for something.</summary>
    /// <param name="timeoutNs">For how long at most.</param>
    /// <param name="condition">What is waited for.</param>
    /// <returns>Whether it came.</returns>
    public async ValueTask<bool> Until(ulong timeoutNs, Func<bool> condition)
    {
        ulong endNs = processor.Loop.NowNs + timeoutNs;
        while (!condition())
        {
            if (processor.Loop.NowNs >= endNs)
                return false;
            await processor.Delay(MicroframeNs);
        }

        return true;
    }
}
