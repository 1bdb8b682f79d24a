using System.Buffers.Binary;

namespace Dma.Lab;

/// <summary>The MSI-X table that a client sees behind a BAR: memory for what it writes, without effect.</summary>
/// <remarks>The real table holds the messages of the server, which a client must not reach.</remarks>
/// <param name="served">The function.</param>
internal sealed class MsixTableView(ServedFunction served)
{
    private const int EntryBytes = 16;
    private const int EntryControl = 12;

    private readonly byte[] _table = NewTable(served.MsixVectors);

    /// <summary>Whether a byte behind a BAR is one of the table.</summary>
    public bool Contains(int bar, ulong offset) =>
        bar == served.MsixTable.Bar && offset - served.MsixTable.Offset < (ulong)_table.Length && _table.Length != 0;

    /// <summary>Reads up to 8 bytes that lie in the table, naturally aligned.</summary>
    public ulong Read(ulong offset, int width)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        _table.AsSpan((int)(offset - served.MsixTable.Offset), width).CopyTo(value);
        return BinaryPrimitives.ReadUInt64LittleEndian(value);
    }

    /// <summary>Writes up to 8 bytes that lie in the table, naturally aligned; reserved bits stay zero.</summary>
    public void Write(ulong offset, int width, ulong value)
    {
        int start = (int)(offset - served.MsixTable.Offset);
        for (int at = start; at < start + width; at++, value >>= 8)
        {
            _table[at] = (at % EntryBytes) switch
            {
                0 => (byte)(value & 0xFC),
                EntryControl => (byte)(value & 1),
                > EntryControl => 0,
                _ => (byte)value,
            };
        }
    }

    // After a reset each vector is masked.
    private static byte[] NewTable(int vectors)
    {
        byte[] table = new byte[vectors * EntryBytes];
        for (int vector = 0; vector < vectors; vector++)
            table[(vector * EntryBytes) + EntryControl] = 1;
        return table;
    }
}
