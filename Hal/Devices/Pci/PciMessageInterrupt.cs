using Dma.Machine;

namespace Dma.Hal;

/// <summary>The message-signalled interrupt of a function, its first vector routed to a processor: by MSI, or by MSI-X where it has only that.</summary>
internal sealed class PciMessageInterrupt : IInterruptLine
{
    private readonly ICpu _cpu;
    private readonly PciMsi? _msi;
    private readonly PciMsixVector? _msix;
    private readonly MessageInterrupt _message;

    // Taken at once: a message that comes before anyone waits must find it.
    private readonly Signal _signal;

    /// <summary>Finds the interrupt of a function.</summary>
    /// <exception cref="DeviceException">It has neither MSI nor MSI-X, or the capability is malformed.</exception>
    public PciMessageInterrupt(
        ICpu cpu, IConfigurationAccess configuration, SourceId location, IReadOnlyList<PciBarInfo> bars, byte vector, MessageInterrupt message)
    {
        _cpu = cpu;
        _message = message;
        IReadOnlyList<(PciCapabilityId Id, int Offset)> capabilities = PciCapabilityList.Read(configuration, location);
        _msi = PciMsi.TryFind(configuration, location, capabilities);
        _msix = _msi is null ? PciMsixVector.TryFind(cpu, configuration, location, capabilities, bars) : null;
        if (_msi is null && _msix is null)
            throw new DeviceException($"The device at {location} has neither MSI nor MSI-X, and interrupts of other kinds are not routed.");
        _signal = cpu.Vector(vector);
    }

    /// <inheritdoc/>
    public ValueTask<bool> Wait(ulong timeoutNs) => _cpu.Processor.Wait(_signal, timeoutNs);

    /// <summary>Routes the first vector to the processor and lets it through; the others stay off.</summary>
    public void TurnOn()
    {
        _msi?.TurnOn(_message);
        _msix?.TurnOn(_message);
    }

    /// <summary>Sends no more messages.</summary>
    public void TurnOff()
    {
        _msi?.TurnOff();
        _msix?.TurnOff();
    }
}
