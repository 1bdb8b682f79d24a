using Dma.Machine;

namespace Dma.Hal;

/// <summary>The accesses to configuration space that software writes out.</summary>
public static class ConfigurationAccess
{
    extension(IConfigurationAccess configuration)
    {
        /// <summary>Reads a byte.</summary>
        public byte Read8(int offset) => (byte)configuration.Read(offset, 1);

        /// <summary>Reads two bytes.</summary>
        public ushort Read16(int offset) => (ushort)configuration.Read(offset, 2);

        /// <summary>Reads a doubleword.</summary>
        public uint Read32(int offset) => configuration.Read(offset, 4);

        /// <summary>Writes a byte.</summary>
        public void Write8(int offset, byte value) => configuration.Write(offset, 1, value);

        /// <summary>Writes two bytes.</summary>
        public void Write16(int offset, ushort value) => configuration.Write(offset, 2, value);

        /// <summary>Writes a doubleword.</summary>
        public void Write32(int offset, uint value) => configuration.Write(offset, 4, value);
    }

    /// <summary>Holds callers to the contract of <see cref="IConfigurationAccess"/>.</summary>
    internal static void Check(int offset, int width)
    {
        if (width is not (1 or 2 or 4) || offset < 0 || offset > PciOffset.End - width || offset % width != 0)
            throw new ArgumentOutOfRangeException(nameof(offset), "Configuration space is accessed by 1, 2 or 4 bytes, naturally aligned, within 4096 bytes.");
    }
}
