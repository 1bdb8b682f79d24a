namespace Dma.UsbDevice.Spec;

/// <summary>The data of SERIAL_STATE (USB CDC PSTN, serial state notification).</summary>
[Flags]
public enum SerialLines : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>bRxCarrier, DCD.</summary>
    CarrierDetect = 1 << 0,

    /// <summary>bTxCarrier, DSR.</summary>
    DataSetReady = 1 << 1,

    /// <summary>bBreak: a break is being received.</summary>
    Break = 1 << 2,

    /// <summary>bRingSignal: it rings.</summary>
    Ring = 1 << 3,

    /// <summary>bFraming.</summary>
    FramingError = 1 << 4,

    /// <summary>bParity.</summary>
    ParityError = 1 << 5,

    /// <summary>bOverRun: data was lost.</summary>
    Overrun = 1 << 6,
}
