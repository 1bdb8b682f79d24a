namespace Dma.UsbDevice.Spec;

/// <summary>Bits 113:112 of a setup stage TRB, TRT (xHCI, setup stage TRB).</summary>
public enum SetupTransferType
{
    /// <summary>No data stage.</summary>
    NoData = 0,

    /// <summary>Data goes to the device.</summary>
    Out = 2,

    /// <summary>Data goes to the host.</summary>
    In = 3,
}
