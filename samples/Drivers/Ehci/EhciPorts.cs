using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The root ports: power, connection and reset, with the waits that devices need.</summary>
/// <param name="processor">Who waits.</param>
/// <param name="registers">The controller's registers.</param>
internal sealed class EhciPorts(Processor processor, EhciRegisters registers)
{
    private const ulong MillisecondNs = 1_000_000;

    /// <summary>Gives all ports power and waits until it is good.</summary>
    public async ValueTask PowerOn()
    {
        if (registers.Structure.PortPowerControl)
        {
            for (int port = 1; port <= registers.Structure.PortCount; port++)
                registers.SetPort(port, registers.Port(port) with { Power = true });
        }

        await processor.Delay(20 * MillisecondNs);
    }

    /// <summary>Waits for a connection, resets the device and leaves the port enabled.</summary>
    /// <exception cref="DriverException">Nothing is there, or it is no high-speed device.</exception>
    public async ValueTask Reset(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, registers.Structure.PortCount);
        if (!await RootPortDebounce.IsConnected(processor, () => registers.ClearPortChanges(port), () => LookAt(port)))
            throw NothingConnected(port);

        // The K state on an idle line is the pull-up of a low-speed device: it is not ours to reset.
        PortStatusControl status = registers.Port(port);
        if (status.LineState == LineState.KState && !status.Enabled)
            throw HandOver(port, "low-speed");

        // 50 ms of reset. Enable must be written as zero together with it; the hardware sets it at the end.
        registers.SetPort(port, status with { Reset = true, Enabled = false });
        await processor.Delay(50 * MillisecondNs);
        registers.SetPort(port, registers.Port(port) with { Reset = false });
        for (int waited = 0; registers.Port(port).Reset; waited++)
        {
            if (waited == 10)
                throw new DriverException(DriverFailure.ControllerTimeout, $"Port {port} did not end its reset.");
            await processor.Delay(MillisecondNs / 2);
        }

        // Only a device that answered the high-speed handshake is enabled.
        status = registers.Port(port);
        if (!status.Connected)
            throw NothingConnected(port);
        if (!status.Enabled)
            throw HandOver(port, "full-speed");
        await processor.Delay(10 * MillisecondNs);
    }

    /// <summary>Whether something is connected to a port, and whether that changed since the port was last reset.</summary>
    public (bool Connected, bool Changed) LookAt(int port)
    {
        PortStatusControl status = registers.Port(port);
        return (status.Connected, status.ConnectChange);
    }

    private static DriverException NothingConnected(int port) =>
        new(DriverFailure.NothingConnected, $"Nothing is connected to port {port}.");

    private DriverException HandOver(int port, string speed)
    {
        registers.SetPort(port, registers.Port(port) with { Owner = true });
        return new(DriverFailure.NotHighSpeed, $"The device at port {port} is a {speed} one; its port goes to the companion controller.");
    }
}
