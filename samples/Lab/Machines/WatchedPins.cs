using Dma.Machine;

namespace Dma.Lab;

/// <summary>The wires into an I/O APIC, and somebody who may watch them.</summary>
/// <param name="controller">Where they end.</param>
internal sealed class WatchedPins(IoApic controller)
{
    private readonly bool[] _levels = new bool[IoApic.Pins];

    /// <summary>Told of each wire that changes, with its new level; null where nobody watches.</summary>
    public Action<int, bool>? Changed { get; set; }

    /// <summary>Some of the wires, as those of somebody who counts from 0.</summary>
    /// <param name="first">The pin that is 0 to them.</param>
    public IInterruptPins From(int first) => new PinRange(this, first);

    /// <summary>Drives a wire.</summary>
    /// <param name="pin">Below <see cref="IoApic.Pins"/>.</param>
    /// <param name="asserted">Whether somebody drives it now.</param>
    public void SetLevel(int pin, bool asserted)
    {
        controller.SetLevel(pin, asserted);
        if (_levels[pin] == asserted)
            return;
        _levels[pin] = asserted;
        Changed?.Invoke(pin, asserted);
    }

    private sealed class PinRange(WatchedPins pins, int first) : IInterruptPins
    {
        public void SetLevel(int pin, bool asserted) => pins.SetLevel(first + pin, asserted);
    }
}
