using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>Looks at what each register set may still use of its turn, whenever one has used the bus.</summary>
/// <param name="controller">The controller.</param>
/// <param name="next">Who sees the same.</param>
internal sealed class DeficitWatch(SharedEhciController controller, IBusShareObserver next) : IBusShareObserver
{
    private readonly (long Min, long Max)[] _seen = new (long, long)[controller.Interfaces.Count];

    /// <summary>Whether it looks.</summary>
    public bool IsOn { get; set; }

    /// <summary>The least and the most that a set had, of zero and all that was seen.</summary>
    public (long Min, long Max) Of(int set) => _seen[set];

    /// <inheritdoc/>
    public void BusUsed(in BusUse use)
    {
        next.BusUsed(use);
        if (!IsOn)
            return;
        for (int set = 0; set < _seen.Length; set++)
        {
            long deficit = controller.Interfaces[set].DeficitNs;
            _seen[set] = (Math.Min(_seen[set].Min, deficit), Math.Max(_seen[set].Max, deficit));
        }
    }

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use) => next.TokenHandled(use);

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => next.AddressChanged(change);

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs) => next.AddressZeroMoved(owner, nowNs);
}
