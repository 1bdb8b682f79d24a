namespace Dma.Lab;

/// <summary>What a VM does with its virtual controller.</summary>
internal enum MergedWork
{
    /// <summary>It records sound: isochronous.</summary>
    Sound = 0,

    /// <summary>It reads its disk over and over: bulk.</summary>
    Disk = 1,

    /// <summary>Somebody types: interrupt.</summary>
    Keys = 2,
}
