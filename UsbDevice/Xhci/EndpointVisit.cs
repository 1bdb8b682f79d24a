namespace Dma.UsbDevice;

/// <summary>What became of a visit to an endpoint.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="WireNs">How long the wire was busy, in nanoseconds.</param>
/// <param name="Due">The microframe in which it wants to be visited again, where it does.</param>
internal readonly record struct EndpointVisit(EndpointVisit.Kind Outcome, uint WireNs = 0, ulong Due = 0)
{
    /// <summary>The outcomes.</summary>
    internal enum Kind
    {
        /// <summary>Never made.</summary>
        None = 0,

        /// <summary>It waits for another turn, from the microframe that is due on.</summary>
        Again,

        /// <summary>There is nothing to do until a doorbell rings, or it stopped.</summary>
        Idle,

        /// <summary>The next transaction would not end within the microframe; nothing was done.</summary>
        NoTime,

        /// <summary>The bus failed: host system error.</summary>
        Fault,
    }
}
