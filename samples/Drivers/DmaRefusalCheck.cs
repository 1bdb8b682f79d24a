using Dma.Hal;

namespace Dma.Drivers;

/// <summary>What a driver makes of a refusal that leaves it no way on.</summary>
internal static class DmaRefusalCheck
{
    extension(DmaRefusal refusal)
    {
        /// <summary>Ends in a failure where something was refused.</summary>
        /// <param name="what">What was asked for, as in "could not ...".</param>
        /// <exception cref="DriverException">It was refused.</exception>
        public void Require(string what)
        {
            if (refusal != DmaRefusal.None)
                throw new DriverException(DriverFailure.DmaRefused, $"Could not {what}: {refusal}.");
        }
    }
}
