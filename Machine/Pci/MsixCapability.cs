using System.Buffers.Binary;

namespace Dma.Machine;

/// <summary>Message-signalled interrupts with a message for each vector, in a table behind a BAR (PCI Express base, 7.7.2).</summary>
/// <remarks>The function's own registers begin where table and pending bits are not: accesses to those never reach it.</remarks>
public sealed class MsixCapability : PciCapability
{
    private const int Control = 0x02;
    private const int Table = 0x04;
    private const int PendingBits = 0x08;
    private const ulong EnableBit = 1 << 15;
    private const ulong FunctionMaskBit = 1 << 14;

    private const int EntryBytes = 16;
    private const int EntryData = 8;
    private const int EntryControl = 12;
    private const byte EntryMaskBit = 1;

    private readonly int _bar;
    private readonly ulong _tableOffset;
    private readonly ulong _pendingOffset;
    private readonly byte[] _table;
    private readonly byte[] _pending;

    /// <summary>An MSI-X capability.</summary>
    /// <param name="vectors">How many vectors the table holds, 1 to 2048.</param>
    /// <param name="bar">The BAR that table and pending bits lie behind.</param>
    /// <param name="tableOffset">Where the table lies, a multiple of 8; 16 bytes for each vector.</param>
    /// <param name="pendingOffset">Where the pending bits lie, a multiple of 8; 8 bytes for each 64 vectors.</param>
    public MsixCapability(int vectors, int bar, ulong tableOffset, ulong pendingOffset)
        : base(PciCapabilityId.Msix, length: 12)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(vectors is >= 1 and <= 2048, true, nameof(vectors));
        if (((tableOffset | pendingOffset) & 7) != 0)
            throw new ArgumentException("Table and pending bits begin at a multiple of 8.");
        (_bar, _tableOffset, _pendingOffset) = (bar, tableOffset, pendingOffset);
        _table = new byte[vectors * EntryBytes];
        _pending = new byte[(vectors + 63) / 64 * 8];
        if (Within(tableOffset, pendingOffset, _pending.Length) || Within(pendingOffset, tableOffset, _table.Length))
            throw new ArgumentException("The pending bits lie over the table.");
        OnReset();
    }

    /// <summary>Whether software turned it on; MSI and INTx are silent then.</summary>
    public bool IsEnabled => (this[Control] & EnableBit) != 0;

    /// <summary>How many vectors the table holds.</summary>
    public int Vectors => _table.Length / EntryBytes;

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers =>
    [
        new(Control, 2, "MXC", new((ulong)(Vectors - 1), Writable: EnableBit | FunctionMaskBit)),
        new(Table, 4, "MTAB", new(_tableOffset | (uint)_bar)),
        new(PendingBits, 4, "MPBA", new(_pendingOffset | (uint)_bar)),
    ];

    /// <summary>Raises a vector: the message goes out, or stays pending while the vector or the function is masked.</summary>
    internal void Raise(int vector)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)vector, (uint)Vectors, nameof(vector));
        if (IsMasked(vector))
            _pending[vector >> 3] |= (byte)(1 << (vector & 7));
        else
            Send(vector);
    }

    /// <summary>Whether an access goes to table or pending bits rather than to the function, and what it reads.</summary>
    internal bool TryRead(int bar, ulong offset, int width, out ulong value)
    {
        if (bar == _bar && Within(offset, _tableOffset, _table.Length))
            value = Load(_table, (int)(offset - _tableOffset), width);
        else if (bar == _bar && Within(offset, _pendingOffset, _pending.Length))
            value = Load(_pending, (int)(offset - _pendingOffset), width);
        else
            value = 0;
        return Claims(bar, offset);
    }

    /// <summary>Whether an access goes to table or pending bits rather than to the function; it is done then.</summary>
    internal bool TryWrite(int bar, ulong offset, int width, ulong value)
    {
        if (bar == _bar && Within(offset, _tableOffset, _table.Length))
            WriteTable((int)(offset - _tableOffset), width, value);
        return Claims(bar, offset);
    }

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        Function.Refresh();
        if (IsEnabled)
            SendUnmasked(0, Vectors);
    }

    /// <inheritdoc/>
    protected internal override void OnReset()
    {
        Array.Clear(_table);
        Array.Clear(_pending);
        for (int vector = 0; vector < Vectors; vector++)
            _table[(vector * EntryBytes) + EntryControl] = EntryMaskBit;
    }

    private bool Claims(int bar, ulong offset) =>
        bar == _bar && (Within(offset, _tableOffset, _table.Length) || Within(offset, _pendingOffset, _pending.Length));

    private bool IsMasked(int vector) =>
        (this[Control] & FunctionMaskBit) != 0 || (_table[(vector * EntryBytes) + EntryControl] & EntryMaskBit) != 0;

    private void WriteTable(int offset, int width, ulong value)
    {
        int end = Math.Min(offset + width, _table.Length);
        for (int at = offset; at < end; at++, value >>= 8)
            _table[at] = (byte)(value & EntryWritable(at % EntryBytes));

        if (IsEnabled)
            SendUnmasked(offset / EntryBytes, ((end - 1) / EntryBytes) + 1);
    }

    // The two lowest address bits and all of the vector control but its mask bit are zero.
    private static ulong EntryWritable(int offset) => offset switch
    {
        0 => 0xFC,
        EntryControl => EntryMaskBit,
        > EntryControl => 0,
        _ => byte.MaxValue,
    };

    private void SendUnmasked(int from, int to)
    {
        for (int vector = from; vector < to; vector++)
        {
            byte bit = (byte)(1 << (vector & 7));
            if ((_pending[vector >> 3] & bit) == 0 || IsMasked(vector))
                continue;
            _pending[vector >> 3] &= (byte)~bit;
            Send(vector);
        }
    }

    private void Send(int vector)
    {
        ReadOnlySpan<byte> entry = _table.AsSpan(vector * EntryBytes, EntryBytes);
        Function.SendMessage(BinaryPrimitives.ReadUInt64LittleEndian(entry), BinaryPrimitives.ReadUInt32LittleEndian(entry[EntryData..]));
    }

    private static ulong Load(byte[] bytes, int offset, int width)
    {
        ulong value = 0;
        for (int at = Math.Min(offset + width, bytes.Length) - 1; at >= offset; at--)
            value = (value << 8) | bytes[at];
        return value;
    }

    private static bool Within(ulong offset, ulong start, int length) => offset >= start && offset - start < (ulong)length;
}
