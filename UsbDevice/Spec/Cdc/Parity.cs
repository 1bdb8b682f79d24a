namespace Dma.UsbDevice.Spec;

/// <summary>bParityType (USB CDC PSTN, line coding).</summary>
public enum Parity : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Odd.</summary>
    Odd = 1,

    /// <summary>Even.</summary>
    Even = 2,

    /// <summary>Mark.</summary>
    Mark = 3,

    /// <summary>Space.</summary>
    Space = 4,
}
