namespace Dma.Machine;

/// <summary>Wires into an interrupt controller, each high or low.</summary>
public interface IInterruptPins
{
    /// <summary>A wire changes. It never calls software.</summary>
    /// <param name="pin">Which one, from 0 on.</param>
    /// <param name="asserted">Whether somebody drives it now.</param>
    void SetLevel(int pin, bool asserted);
}
