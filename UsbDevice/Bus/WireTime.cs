namespace Dma.UsbDevice;

/// <summary>How long transactions occupy the wire, in nanoseconds, with the bits that are really sent.</summary>
/// <remarks>
/// The formulas are those that hosts admit bandwidth with (USB 2.0, bus transaction times), without the worst-case
/// bit stuffing of 7/6: what is executed never takes longer than what was admitted.
/// </remarks>
public static class WireTime
{
    /// <summary>A microframe.</summary>
    public const uint MicroframeNs = 125_000;

    /// <summary>A frame.</summary>
    public const uint FrameNs = 1_000_000;

    // Overheads in bytes: synchronization, tokens, turn-around, handshake.
    private const uint WithHandshake = 55;
    private const uint WithoutHandshake = 38;
    private const uint BitPs = 2083;

    // How long a host waits for an answer at high speed: 816 bit times.
    private const uint TimeoutNs = 816 * BitPs / 1000;

    /// <summary>A high-speed control, bulk or interrupt transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire; 0 for NAK to an IN, and for PING.</param>
    public static uint HighSpeed(int bytes) => HighSpeed(WithHandshake, bytes);

    /// <summary>A high-speed isochronous transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    public static uint HighSpeedIsochronous(int bytes) => HighSpeed(WithoutHandshake, bytes);

    /// <summary>A high-speed transaction that nobody answered.</summary>
    /// <param name="bytes">Bytes of data that the host sent.</param>
    public static uint HighSpeedUnanswered(int bytes) => HighSpeed(WithHandshake, bytes) + TimeoutNs;

    private static uint HighSpeed(uint overhead, int bytes) => BitPs * ((overhead * 8) + 3 + (8 * (uint)bytes)) / 1000 + 5;
}
