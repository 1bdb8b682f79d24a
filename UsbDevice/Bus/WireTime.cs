using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>How long transactions occupy the wire, in nanoseconds, with the bits that are really sent.</summary>
/// <remarks>
/// The formulas are those that hosts admit bandwidth with (<see cref="TransactionTime"/>), without the worst-case
/// bit stuffing of 7/6: what is executed never takes longer than what was admitted.
/// </remarks>
public static class WireTime
{
    /// <summary>A microframe.</summary>
    public const uint MicroframeNs = 125_000;

    /// <summary>A frame.</summary>
    public const uint FrameNs = 1_000_000;

    private const int SuperSpeedOverheadBytes = 36;

    // How long a host waits for an answer: 816 bit times at high speed, 18 below.
    private const uint HighTimeoutNs = 816 * TransactionTime.HighSpeedBitPs / 1000;
    private const uint FullTimeoutNs = 18 * 1000 / 12;
    private const uint LowTimeoutNs = 18 * 1000 * 2 / 3;

    /// <summary>A high-speed control, bulk or interrupt transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire; 0 for NAK to an IN, and for PING.</param>
    public static uint HighSpeed(int bytes) => TransactionTime.OfHighSpeed(Bits(bytes));

    /// <summary>A high-speed isochronous transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    public static uint HighSpeedIsochronous(int bytes) => TransactionTime.OfHighSpeedIsochronous(Bits(bytes));

    /// <summary>A high-speed isochronous IN that nobody answered.</summary>
    public static uint HighSpeedIsochronousUnanswered() => HighSpeedIsochronous(0) + HighTimeoutNs;

    /// <summary>A high-speed transaction that nobody answered.</summary>
    /// <param name="bytes">Bytes of data that the host sent.</param>
    public static uint HighSpeedUnanswered(int bytes) => HighSpeed(bytes) + HighTimeoutNs;

    /// <summary>A full-speed control, bulk or interrupt transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    public static uint FullSpeed(int bytes) => TransactionTime.OfFullSpeed(Bits(bytes));

    /// <summary>A full-speed isochronous transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    /// <param name="isIn">Whether the device sends.</param>
    public static uint FullSpeedIsochronous(int bytes, bool isIn) => TransactionTime.OfFullSpeedIsochronous(Bits(bytes), isIn);

    /// <summary>A full-speed transaction that nobody answered.</summary>
    /// <param name="bytes">Bytes of data that the host sent.</param>
    public static uint FullSpeedUnanswered(int bytes) => FullSpeed(bytes) + FullTimeoutNs;

    /// <summary>A low-speed transaction.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    /// <param name="isIn">Whether the device sends.</param>
    public static uint LowSpeed(int bytes, bool isIn) => TransactionTime.OfLowSpeed(Bits(bytes), isIn);

    /// <summary>A low-speed transaction that nobody answered.</summary>
    /// <param name="bytes">Bytes of data that the host sent.</param>
    /// <param name="isIn">Whether the device should have sent.</param>
    public static uint LowSpeedUnanswered(int bytes, bool isIn) => LowSpeed(bytes, isIn) + LowTimeoutNs;

    /// <summary>A SuperSpeed data packet one way; the packets that acknowledge it go the other way at the same time.</summary>
    /// <param name="bytes">Bytes of data that crossed the wire; 0 for a packet without data, and for NRDY.</param>
    /// <remarks>5 Gb/s with ten bits for each byte: 2 ns a byte; headers, checksums and framing are 36 bytes (USB 3.x, packets).</remarks>
    public static uint SuperSpeed(int bytes) => 2 * (uint)(SuperSpeedOverheadBytes + bytes);

    /// <summary>What a burst takes beside its packets: nobody waits for an acknowledgement within it, but for that of the last packet.</summary>
    /// <remarks>The 32 blocks of 16 bytes with which hosts admit a burst (USB reference sheet, bandwidth table).</remarks>
    public const uint SuperSpeedBurst = 32 * 16 * 2;

    private static uint Bits(int bytes) => 8 * (uint)bytes;
}
