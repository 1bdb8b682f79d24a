namespace Dma.UsbDevice.Spec;

/// <summary>The places of contexts within device and input contexts (xHCI, device context).</summary>
public static class ContextIndex
{
    /// <summary>The slot context.</summary>
    public const int Slot = 0;

    /// <summary>Endpoint 0, both ways.</summary>
    public const int Control = 1;

    /// <summary>Contexts in a device context; an input context has one more, its control context, before them.</summary>
    public const int Count = 32;

    /// <summary>The context index of an endpoint other than 0, 2 to 31.</summary>
    /// <param name="number">1 to 15.</param>
    /// <param name="isIn">Whether it sends to the host.</param>
    public static int Of(int number, bool isIn) => (2 * number) + (isIn ? 1 : 0);

    /// <summary>The number of the endpoint with a context index.</summary>
    public static int Number(int index) => index >> 1;

    /// <summary>Where a context lies within a device context, in bytes.</summary>
    /// <param name="index">0 to 31.</param>
    /// <param name="stride">32, or 64 where HCCPARAMS1.CSZ is set.</param>
    public static int Offset(int index, int stride) => index * stride;

    /// <summary>Where a context lies within an input context, in bytes.</summary>
    /// <inheritdoc cref="Offset(int, int)"/>
    public static int InputOffset(int index, int stride) => (index + 1) * stride;
}
