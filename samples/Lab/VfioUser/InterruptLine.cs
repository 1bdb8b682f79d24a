using Dma.Machine;

namespace Dma.Lab;

/// <summary>The four INTx lines of bus 0, for a server that has one function on it: somebody drives one of them, or nobody does.</summary>
/// <param name="loop">The loop on which software continues.</param>
internal sealed class InterruptLine(EventLoop loop) : IInterruptPins
{
    private uint _driven;

    /// <summary>Whether a line is driven now.</summary>
    public bool IsAsserted => _driven != 0;

    /// <summary>Raised when a line begins to be driven.</summary>
    public Signal Asserted { get; } = new(loop);

    /// <inheritdoc/>
    public void SetLevel(int pin, bool asserted)
    {
        bool before = IsAsserted;
        _driven = asserted ? _driven | (1u << pin) : _driven & ~(1u << pin);
        if (IsAsserted && !before)
            Asserted.Raise();
    }
}
