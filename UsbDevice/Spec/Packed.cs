using System.Runtime.InteropServices;

namespace Dma.UsbDevice.Spec;

/// <summary>Formats to and from bytes, little-endian, first byte first; formats may be longer in memory than on the bus.</summary>
public static class Packed
{
    /// <summary>Reads a format from its bytes; bytes that are missing are zero, bytes too many are ignored.</summary>
    public static T Read<T>(ReadOnlySpan<byte> bytes)
        where T : unmanaged
    {
        T value = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<T>(ref value));
        bytes[..Math.Min(bytes.Length, whole.Length)].CopyTo(whole);
        return value;
    }

    /// <summary>Writes as many bytes of a format as there is room for.</summary>
    public static void Write<T>(in T value, Span<byte> destination)
        where T : unmanaged
    {
        ReadOnlySpan<byte> whole = MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));
        whole[..Math.Min(destination.Length, whole.Length)].CopyTo(destination);
    }

    /// <summary>The first bytes of a format.</summary>
    /// <param name="value">The format.</param>
    /// <param name="size">How many bytes it has on the bus.</param>
    public static byte[] ToArray<T>(in T value, int size)
        where T : unmanaged
    {
        byte[] bytes = new byte[size];
        Write(value, bytes);
        return bytes;
    }
}
