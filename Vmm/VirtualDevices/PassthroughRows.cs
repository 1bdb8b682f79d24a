namespace Dma.Vmm;

/// <summary>How isochronous packets are put together for the host: in rows, a few of which are queued at a time.</summary>
internal static class PassthroughRows
{
    /// <summary>How many rows are queued at a time.</summary>
    public const int Count = 3;

    private const int PacketsMin = 8;

    /// <summary>Packets in a row.</summary>
    /// <param name="multiple">What it must be a multiple of.</param>
    public static int LengthOf(int multiple) => (PacketsMin + multiple - 1) / multiple * multiple;
}
