namespace Dma.UsbDevice.Spec;

/// <summary>The longest that a transaction can take, in nanoseconds: what hosts reckon with before they admit an endpoint (USB 2.0, calculating bus transaction times).</summary>
/// <remarks>
/// Integer arithmetic, term by term as operating systems do it, so that a driver, a controller and a test that add the
/// same endpoints come to the same sums. Bytes count 7/6 of their bits, as if each were stuffed as often as possible.
/// </remarks>
public static class TransactionTime
{
    /// <summary>A bit at high speed, in picoseconds.</summary>
    public const uint HighSpeedBitPs = 2083;

    // Bytes of overhead at high speed: synchronization, tokens, turn-around, handshake; without the latter.
    private const uint WithHandshake = 55;
    private const uint WithoutHandshake = 38;
    private const uint HighHostDelayNs = 5;

    // Full and low speed: what the host, and the set-up of a low-speed transaction on a full-speed bus, add.
    private const uint HostDelayNs = 1000;
    private const uint LowSpeedSetupNs = 2 * 333;

    /// <summary>A high-speed control, bulk or interrupt transaction.</summary>
    /// <param name="bytes">Bytes of data, 0 to 3072; more than 1024 for the transactions of a microframe together.</param>
    public static uint HighSpeed(int bytes) => OfHighSpeed(StuffedBits(bytes));

    /// <summary>A high-speed isochronous transaction.</summary>
    /// <param name="bytes">Bytes of data, 0 to 3072; more than 1024 for the transactions of a microframe together.</param>
    public static uint HighSpeedIsochronous(int bytes) => OfHighSpeedIsochronous(StuffedBits(bytes));

    /// <summary>A full-speed control, bulk or interrupt transaction.</summary>
    /// <param name="bytes">Bytes of data, 0 to 64.</param>
    public static uint FullSpeed(int bytes) => OfFullSpeed(StuffedBits(bytes));

    /// <summary>A full-speed isochronous transaction.</summary>
    /// <param name="bytes">Bytes of data, 0 to 1023.</param>
    /// <param name="isIn">Whether the device sends.</param>
    public static uint FullSpeedIsochronous(int bytes, bool isIn) => OfFullSpeedIsochronous(StuffedBits(bytes), isIn);

    /// <summary>A low-speed transaction.</summary>
    /// <param name="bytes">Bytes of data, 0 to 8.</param>
    /// <param name="isIn">Whether the device sends.</param>
    public static uint LowSpeed(int bytes, bool isIn) => OfLowSpeed(StuffedBits(bytes), isIn);

    /// <summary>Bits that some bytes take at most on the wire.</summary>
    public static uint StuffedBits(int bytes) => 7 * 8 * (uint)bytes / 6;

    internal static uint OfHighSpeed(uint bits) => High(WithHandshake, bits);

    internal static uint OfHighSpeedIsochronous(uint bits) => High(WithoutHandshake, bits);

    internal static uint OfFullSpeed(uint bits) => 9107 + HostDelayNs + Full(bits);

    internal static uint OfFullSpeedIsochronous(uint bits, bool isIn) => (isIn ? 7268u : 6265u) + HostDelayNs + Full(bits);

    internal static uint OfLowSpeed(uint bits, bool isIn) => isIn
        ? 64060 + LowSpeedSetupNs + HostDelayNs + Low(67667, bits)
        : 64107 + LowSpeedSetupNs + HostDelayNs + Low(66700, bits);

    private static uint High(uint overhead, uint bits) => (HighSpeedBitPs * ((overhead * 8) + 3 + bits) / 1000) + HighHostDelayNs;

    private static uint Low(ulong bitPs, uint bits) => (uint)(bitPs * (31 + (10 * bits)) / 1000);

    private static uint Full(uint bits) => 8354 * (31 + (10 * bits)) / 1000;
}
