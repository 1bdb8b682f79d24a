using System.Buffers.Binary;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The memory of a front end, and what of it a back end may touch: pages that were granted at some time since nothing was under way.</summary>
/// <remarks>
/// Pages 0 to 7 are buffers; 8 is the grant table; 9 and 10 are the rings; the others it grants to nobody. Each is filled
/// with a byte of its own, so that what is read of it is known again; another VM has one that is none of them.
/// </remarks>
internal sealed class FrontEndMemory
{
    public const byte Mark = 0xD7;
    public const int PageBytes = 4096;
    public const int Pages = 24;
    public const int Buffers = 8;
    public const int TablePage = 8;
    public const int RingPage = 9;
    public const int PlugPage = 10;
    public const uint RingGrant = 40;
    public const uint PlugGrant = 41;
    private const byte FirstFilling = 0x40;
    private const byte OthersFilling = 0x11;
    private const int OthersPages = 4;

    // Longer than anything that descriptors of packets can look like.
    private const int RunMin = 16;

    private readonly VirtualMachine _guest;
    private readonly VirtualMachine _other;
    private readonly FrontEndTally _tally;
    private readonly byte[][] _before = new byte[Pages][];
    private readonly HashSet<uint> _mayWrite = [];
    private readonly HashSet<uint> _mayRead = [];

    public FrontEndMemory(Host host, FrontEndTally tally)
    {
        _tally = tally;
        _guest = host.CreateMachine("guest", Pages * PageBytes);
        _other = host.CreateMachine("other", OthersPages * PageBytes);
        byte[] others = new byte[OthersPages * PageBytes];
        others.AsSpan().Fill(OthersFilling);
        Assert.True(_other.Cpu.TryWrite(new(0), others));
        for (int page = 0; page < Pages; page++)
            Refill(page);
        foreach (int page in new[] { TablePage, RingPage, PlugPage })
            Write(page, 0, new byte[PageBytes]);
        Grant(RingGrant, new() { Type = GrantType.PermitAccess, Frame = RingPage });
        Grant(PlugGrant, new() { Type = GrantType.PermitAccess, Frame = PlugPage });
        for (uint number = 1; number <= Buffers; number++)
            Grant(number, GrantOf(number));
    }

    public VirtualMachine Guest => _guest;

    public VirtualMachine Other => _other;

    /// <summary>What a grant is in the beginning: of the buffers one half may be written, the other only read.</summary>
    /// <param name="number">From 1 to <see cref="Buffers"/> there is one.</param>
    public static GrantEntry GrantOf(uint number) => number is 0 or > Buffers
        ? default
        : new() { Type = GrantType.PermitAccess, Frame = number - 1, IsReadOnly = number > Buffers / 2 };

    /// <summary>Writes an entry of the grant table, whether the grant is in use or not.</summary>
    public void Grant(uint number, GrantEntry entry)
    {
        _tally.ChangedInUse += Read(number).IsRead ? 1 : 0;
        byte[] bytes = new byte[GrantEntry.Size];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, entry.Raw.Value);
        Write(TablePage, (int)number * GrantEntry.Size, bytes);
        Allow(entry);
    }

    /// <summary>Puts descriptors of packets into the page behind a grant, where it is one of the buffers.</summary>
    public void Describe(uint grant, UrbPacket[] packets)
    {
        uint page = Read(grant).Frame;
        if (page >= Buffers)
            return;
        Write((int)page, 0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(packets.AsSpan()).ToArray());
        _before[page] = ReadPage(_guest, (int)page);
    }

    public void Write(int page, int offset, byte[] bytes) => Assert.True(_guest.Cpu.TryWrite(AddressOf(page) + (ulong)offset, bytes));

    public uint Read32(int page, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(ReadPage(_guest, page).AsSpan(offset));

    public byte[] Read(int page, int offset, int length) => ReadPage(_guest, page).AsSpan(offset, length).ToArray();

    /// <summary>A device was sent this.</summary>
    /// <returns>A page that it came from and that might not be read; null where there is none.</returns>
    public int? FindLeak(byte[] bytes)
    {
        _tally.Sent += bytes.Length;
        for (int start = 0, end; start < bytes.Length; start = end)
        {
            for (end = start; end < bytes.Length && bytes[end] == bytes[start];)
                end++;
            if (end - start < RunMin)
                continue;
            int page = bytes[start] - FirstFilling;
            if (bytes[start] == OthersFilling || (page is >= 0 and < Pages && !_mayRead.Contains((uint)page)))
                return page;
        }

        return null;
    }

    /// <summary>Nothing came into pages that might not be written, or into the other VM.</summary>
    public void Check()
    {
        for (int page = 0; page < Pages; page++)
        {
            bool mayChange = page is TablePage or RingPage or PlugPage || _mayWrite.Contains((uint)page);
            Assert.True(mayChange || ReadPage(_guest, page).AsSpan().SequenceEqual(_before[page]), $"Page {page} was written and not granted.");
        }

        for (int page = 0; page < OthersPages; page++)
            Assert.False(ReadPage(_other, page).AsSpan().ContainsAnyExcept(OthersFilling), $"Page {page} of the other VM was written.");
    }

    /// <summary>Nothing is under way: what was granted until now does not count any more.</summary>
    public void Settle()
    {
        _mayWrite.Clear();
        _mayRead.Clear();
        for (int page = 0; page < Buffers; page++)
            Refill(page);
        byte[] table = ReadPage(_guest, TablePage);
        for (int at = 0; at < table.Length; at += GrantEntry.Size)
            Allow(new(new(BinaryPrimitives.ReadUInt64LittleEndian(table.AsSpan(at)))));
    }

    private static GuestPhysicalAddress AddressOf(int page) => new((ulong)page * PageBytes);

    private static byte[] ReadPage(VirtualMachine machine, int page)
    {
        byte[] bytes = new byte[PageBytes];
        Assert.True(machine.Cpu.TryRead(AddressOf(page), bytes));
        return bytes;
    }

    private GrantEntry Read(uint grant) => new(new(BinaryPrimitives.ReadUInt64LittleEndian(Read(TablePage, (int)grant * GrantEntry.Size, GrantEntry.Size))));

    private void Allow(GrantEntry entry)
    {
        if (entry.Type != GrantType.PermitAccess || entry.Domain != 0)
            return;
        _ = _mayRead.Add(entry.Frame);
        if (!entry.IsReadOnly)
            _ = _mayWrite.Add(entry.Frame);
    }

    private void Refill(int page)
    {
        _before[page] = new byte[PageBytes];
        _before[page].AsSpan().Fill((byte)(FirstFilling + page));
        Write(page, 0, _before[page]);
    }
}
