using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The root ports: power, connection and reset, with the waits that devices need.</summary>
/// <param name="processor">Who waits.</param>
/// <param name="registers">The controller's registers.</param>
internal sealed class XhciPorts(Processor processor, XhciRegisters registers)
{
    private const ulong MillisecondNs = 1_000_000;

    /// <summary>Gives all ports power and waits until it is good.</summary>
    public async ValueTask PowerOn()
    {
        if (registers.Capabilities.PortPowerControl)
        {
            for (int port = 1; port <= registers.Structure1.PortCount; port++)
                registers.RequestOfPort(port, new() { Power = true });
        }

        await processor.Delay(20 * MillisecondNs);
    }

    /// <summary>Waits for a connection, resets the device and leaves the port enabled.</summary>
    /// <returns>At which speed the device talks.</returns>
    /// <exception cref="DriverException">Nothing is there.</exception>
    public async ValueTask<DeviceSpeed> Reset(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, registers.Structure1.PortCount);
        if (!await RootPortDebounce.IsConnected(processor, () => registers.ClearPortChanges(port), () => Look(port)))
            throw NothingConnected(port);

        // The link of a SuperSpeed port may have failed; then only a warm reset helps.
        XhciPortStatusControl status = registers.Port(port);
        bool isWarm = status.ColdAttach || status.LinkState == PortLinkState.Inactive;
        registers.RequestOfPort(port, isWarm ? new() { WarmReset = true } : new() { Reset = true });
        for (int waitedMs = 0; !(status = registers.Port(port)).ResetChange; waitedMs += 5)
        {
            if (waitedMs >= 1000)
                throw new DriverException(DriverFailure.ControllerTimeout, $"Port {port} did not end its reset.");
            await processor.Delay(5 * MillisecondNs);
        }

        registers.ClearPortChanges(port);
        if (!status.Connected || !status.Enabled)
            throw NothingConnected(port);
        await processor.Delay(10 * MillisecondNs);
        return status.Speed switch
        {
            PortSpeed.Low => DeviceSpeed.Low,
            PortSpeed.Full => DeviceSpeed.Full,
            PortSpeed.High => DeviceSpeed.High,
            PortSpeed.Super or PortSpeed.SuperPlus => DeviceSpeed.Super,
            _ => throw new DriverException(DriverFailure.BadDescriptor, $"The device at port {port} talks at a speed that nobody knows."),
        };
    }

    private (bool Connected, bool Changed) Look(int port)
    {
        XhciPortStatusControl status = registers.Port(port);
        return (status.Connected, status.ConnectChange);
    }

    private static DriverException NothingConnected(int port) =>
        new(DriverFailure.NothingConnected, $"Nothing is connected to port {port}.");
}
