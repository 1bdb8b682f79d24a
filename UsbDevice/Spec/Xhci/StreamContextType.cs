namespace Dma.UsbDevice.Spec;

/// <summary>Bits 3:1 of a stream context (xHCI, stream context).</summary>
public enum StreamContextType
{
    /// <summary>A transfer ring; the entry is in a secondary array.</summary>
    SecondaryRing = 0,

    /// <summary>A transfer ring; the entry is in a primary array.</summary>
    PrimaryRing = 1,

    /// <summary>A secondary array of 8 entries.</summary>
    Secondary8 = 2,

    /// <summary>A secondary array of 16 entries.</summary>
    Secondary16 = 3,

    /// <summary>A secondary array of 32 entries.</summary>
    Secondary32 = 4,

    /// <summary>A secondary array of 64 entries.</summary>
    Secondary64 = 5,

    /// <summary>A secondary array of 128 entries.</summary>
    Secondary128 = 6,

    /// <summary>A secondary array of 256 entries.</summary>
    Secondary256 = 7,
}
