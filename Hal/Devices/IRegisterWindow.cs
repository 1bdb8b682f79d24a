namespace Dma.Hal;

/// <summary>A window of device registers. Offsets are in bytes; an access that leaves it reads all ones and writes nothing.</summary>
public interface IRegisterWindow
{
    /// <summary>Bytes in the window.</summary>
    ulong Length { get; }

    /// <summary>Reads 1, 2, 4 or 8 bytes.</summary>
    ulong Read(int offset, int width);

    /// <summary>Writes 1, 2, 4 or 8 bytes.</summary>
    void Write(int offset, int width, ulong value);
}

/// <summary>The accesses that drivers write out.</summary>
public static class RegisterWindowAccess
{
    extension(IRegisterWindow window)
    {
        /// <summary>Reads a byte.</summary>
        public byte Read8(int offset) => (byte)window.Read(offset, 1);

        /// <summary>Reads two bytes.</summary>
        public ushort Read16(int offset) => (ushort)window.Read(offset, 2);

        /// <summary>Reads a doubleword.</summary>
        public uint Read32(int offset) => (uint)window.Read(offset, 4);

        /// <summary>Reads a quadword in one access.</summary>
        public ulong Read64(int offset) => window.Read(offset, 8);

        /// <summary>Writes a doubleword.</summary>
        public void Write32(int offset, uint value) => window.Write(offset, 4, value);

        /// <summary>Writes a quadword in one access.</summary>
        public void Write64(int offset, ulong value) => window.Write(offset, 8, value);
    }
}
