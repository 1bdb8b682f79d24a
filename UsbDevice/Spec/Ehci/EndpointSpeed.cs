namespace Dma.UsbDevice.Spec;

/// <summary>Bits 13:12 of the endpoint characteristics: the speed of an endpoint (EHCI, queue head).</summary>
public enum EndpointSpeed
{
    /// <summary>12 Mb/s.</summary>
    Full = 0,

    /// <summary>1.5 Mb/s.</summary>
    Low = 1,

    /// <summary>480 Mb/s.</summary>
    High = 2,
}
