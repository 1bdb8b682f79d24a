namespace Dma.Vmm;

/// <summary>A naturally aligned block of frames; the value is the number of address bits within it.</summary>
public enum FrameSize
{
    /// <summary>4 KiB, one frame.</summary>
    Page4K = 12,

    /// <summary>2 MiB, 512 frames.</summary>
    Page2M = 21,

    /// <summary>1 GiB, 262,144 frames.</summary>
    Page1G = 30,
}

/// <summary>What follows from a block's size.</summary>
public static class FrameSizes
{
    extension(FrameSize size)
    {
        /// <summary>Bytes in the block.</summary>
        public ulong Bytes => 1ul << (int)size;

        /// <summary>Frames of 4 KiB in the block.</summary>
        public ulong Frames => 1ul << ((int)size - (int)FrameSize.Page4K);

        /// <summary>Whether an address is the first byte of such a block.</summary>
        public bool IsAligned(ulong address) => (address & (size.Bytes - 1)) == 0;
    }
}
