using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.UsbDevice;

/// <summary>The bytes of a saved state, written or read from the front to the back; what comes back may be anything.</summary>
/// <param name="bytes">Room for the longest state.</param>
internal sealed class StateImage(byte[] bytes)
{
    /// <summary>Bytes of <see cref="Seal"/>: the length of the state, and a checksum.</summary>
    public const int HeaderBytes = 16;

    private int _end;

    /// <summary>Where the next value is.</summary>
    public int At { get; private set; }

    /// <summary>Whether all values that were read so far were there.</summary>
    public bool IsGood { get; private set; }

    /// <summary>Begins to write.</summary>
    public void BeginWrite() => At = HeaderBytes;

    /// <summary>Writes a value.</summary>
    public void Put<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(bytes.AsSpan(At), value);
        At += Unsafe.SizeOf<T>();
    }

    /// <summary>All is written: the length and the checksum go to the front.</summary>
    public void Seal()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)At);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Checksum(bytes.AsSpan(HeaderBytes, At - HeaderBytes)));
    }

    /// <summary>How long the state is by its header; 0 where that makes no sense.</summary>
    public int Length =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes) is >= HeaderBytes and var length && length <= (ulong)bytes.Length ? (int)length : 0;

    /// <summary>Begins to read.</summary>
    /// <returns><c>false</c> where the checksum is another one.</returns>
    public bool TryBeginRead()
    {
        (At, _end, IsGood) = (HeaderBytes, Length, Length != 0);
        return IsGood && Checksum(bytes.AsSpan(HeaderBytes, _end - HeaderBytes)) == BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8));
    }

    /// <summary>Reads a value; zeros where the state has ended.</summary>
    public T Take<T>()
        where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        IsGood &= _end - At >= size;
        if (!IsGood)
            return default;
        T value = MemoryMarshal.Read<T>(bytes.AsSpan(At));
        At += size;
        return value;
    }

    // FNV-1a.
    private static ulong Checksum(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 0xCBF2_9CE4_8422_2325;
        foreach (byte value in bytes)
            hash = unchecked((hash ^ value) * 0x100_0000_01B3);
        return hash;
    }
}
