namespace Dma.UsbDevice.Spec;

/// <summary>The runtime registers, as byte offsets from BAR 0 plus RTSOFF (xHCI, host controller runtime registers).</summary>
public static class XhciRuntimeOffsets
{
    /// <summary>MFINDEX, see <see cref="XhciMicroframeIndex"/>.</summary>
    public const int MicroframeIndex = 0x00;

    /// <summary>The registers of interrupter 0; those of each further one lie <see cref="InterrupterStride"/> bytes higher.</summary>
    public const int FirstInterrupter = 0x20;

    /// <summary>Bytes from one interrupter to the next.</summary>
    public const int InterrupterStride = 0x20;

    /// <summary>IMAN of an interrupter, see <see cref="InterrupterManagement"/>.</summary>
    public const int Management = 0x00;

    /// <summary>IMOD of an interrupter, see <see cref="InterrupterModeration"/>.</summary>
    public const int Moderation = 0x04;

    /// <summary>ERSTSZ of an interrupter, bits 15:0: segments of its event ring.</summary>
    public const int TableSize = 0x08;

    /// <summary>ERSTBA of an interrupter, 8 bytes, see <see cref="ContextPointer"/>.</summary>
    public const int TableBase = 0x10;

    /// <summary>ERDP of an interrupter, 8 bytes, see <see cref="EventRingDequeue"/>.</summary>
    public const int Dequeue = 0x18;
}
