using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Something at the end of a cable: it hears the packets for its address and answers them.</summary>
/// <remarks>
/// The device owns its address, its endpoints and their data toggles; the bus only finds out who feels addressed.
/// It is asked for one packet at a time and answers at once; a device that needs time answers NAK.
/// </remarks>
public interface IUsbDevice
{
    /// <summary>The fastest speed that it can talk at.</summary>
    UsbSpeed Speed { get; }

    /// <summary>The address that it answers to, 0 to 127; 0 after each bus reset.</summary>
    byte Address { get; }

    /// <summary>The ports of a hub; packets of a bus are heard at those whose <see cref="UsbPort.Bus"/> it is. None for a function.</summary>
    IReadOnlyList<UsbPort> Downstream { get; }

    /// <summary>Whether it agrees now to sleep between packets (link power management, L1); <c>null</c> where it does not know that state and answers STALL.</summary>
    bool? AcceptsL1 => null;

    /// <summary>It was plugged in, or pulled out.</summary>
    /// <param name="port">Where, or null.</param>
    void Connected(UsbPort? port);

    /// <summary>How long its link takes from U1 and from U2 to U0, in microseconds; SuperSpeed only.</summary>
    (int U1, int U2) LinkExitUs => default;

    /// <summary>A bus reset: everything goes back to the default state.</summary>
    void Reset();

    /// <summary>No traffic for a while: save power. Packets do not come until <see cref="Resume"/> or <see cref="Reset"/>.</summary>
    void Suspend();

    /// <summary>Traffic goes on.</summary>
    void Resume();

    /// <summary>A SETUP or OUT token with its data.</summary>
    /// <param name="token">The token.</param>
    /// <param name="dataPid">Which data packet it is.</param>
    /// <param name="data">The bytes.</param>
    /// <returns>A handshake; silence for isochronous endpoints and for endpoints that do not exist.</returns>
    UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data);

    /// <summary>An IN token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="packet">Room for the packet, at least 1024 bytes.</param>
    /// <returns>Data, or a handshake. The same data comes again until <see cref="Acknowledge"/>.</returns>
    UsbReply Send(in UsbToken token, Span<byte> packet);

    /// <summary>The host acknowledged the data that the last IN token brought it.</summary>
    void Acknowledge(in UsbToken token);

    /// <summary>A PING token: could the endpoint take a full packet?</summary>
    /// <returns>ACK, NAK or STALL.</returns>
    UsbReply Ping(in UsbToken token);
}
