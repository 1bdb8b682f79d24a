namespace Dma.UsbDevice.Spec;

/// <summary>What an interrupt or isochronous endpoint asks of the bus (USB 2.0, bus access periods).</summary>
/// <param name="Speed">How fast it talks; slower than high means behind a transaction translator.</param>
/// <param name="IsIsochronous">Isochronous; otherwise interrupt.</param>
/// <param name="In">Whether the device sends.</param>
/// <param name="Bytes">Bytes in each of its turns: of all transactions of a microframe together, at high speed.</param>
/// <param name="Period">Microframes from turn to turn, a power of two; at least 8 behind a translator.</param>
public readonly record struct PeriodicEndpoint(EndpointSpeed Speed, bool IsIsochronous, bool In, int Bytes, int Period)
{
    /// <summary>Bytes that a full-speed bus moves in a microframe at most: what a split of an isochronous endpoint carries.</summary>
    public const int SplitBytesMax = 188;

    /// <summary>Whether it is behind a transaction translator.</summary>
    public bool IsSplit => Speed != EndpointSpeed.High;

    /// <summary>Pieces of its payload, each of a microframe of the bus below.</summary>
    public int Parts => Math.Max((Bytes + SplitBytesMax - 1) / SplitBytesMax, 1);

    /// <summary>What a turn takes in the microframe in which it is begun, in nanoseconds.</summary>
    public uint StartNs => (IsSplit, IsIsochronous) switch
    {
        (false, false) => TransactionTime.HighSpeed(Bytes),
        (false, true) => TransactionTime.HighSpeedIsochronous(Bytes),
        (true, false) => TransactionTime.HighSpeed(In ? 0 : Bytes),
        (true, true) => TransactionTime.HighSpeedIsochronous(In ? 1 : Math.Min(Bytes, SplitBytesMax)),
    };

    /// <summary>What each complete-split takes, in nanoseconds; 0 where there are none.</summary>
    public uint CompleteNs => (IsSplit, IsIsochronous, In) switch
    {
        (true, false, _) => TransactionTime.HighSpeed(In ? Bytes : 0),
        (true, true, true) => TransactionTime.HighSpeedIsochronous(Math.Min(Bytes, SplitBytesMax)),
        _ => 0,
    };

    /// <summary>What a turn takes on the bus below, in nanoseconds; 0 at high speed.</summary>
    public uint TranslatedNs => (Speed, IsIsochronous) switch
    {
        (EndpointSpeed.High, _) => 0,
        (EndpointSpeed.Low, _) => TransactionTime.LowSpeed(Bytes, In),
        (_, true) => TransactionTime.FullSpeedIsochronous(Bytes, In),
        _ => TransactionTime.FullSpeed(Bytes),
    };
}
