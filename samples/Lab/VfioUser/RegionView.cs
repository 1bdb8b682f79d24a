using System.Buffers.Binary;

namespace Dma.Lab;

/// <summary>The regions of the function for one client: configuration space and what lies behind the BARs, reached by messages alone.</summary>
/// <remarks>
/// No region can be mapped: every register of a USB controller does something when it is written, and what a processor
/// stores into mapped memory would not be noticed. An access becomes accesses of 8, 4, 2 or 1 bytes, naturally aligned,
/// as wide as they can be, in ascending order.
/// </remarks>
/// <param name="served">The function.</param>
internal sealed class RegionView(ServedFunction served)
{
    private const int BarWidthMax = 8;
    private const int ConfigurationWidthMax = 4;

    private readonly MsixTableView _messages = new(served);

    /// <summary>The configuration space.</summary>
    public ClientFunction Configuration { get; } = new(served);

    /// <summary>Bytes of a region; 0 where there is none.</summary>
    /// <param name="index">Below <see cref="RegionIndex.Count"/>.</param>
    public ulong Length(uint index) => index switch
    {
        < RegionIndex.Rom => served.BarLength((int)index),
        RegionIndex.Configuration => (ulong)Configuration.Configuration.Length,
        _ => 0,
    };

    /// <summary>Whether bytes are all in a region.</summary>
    public bool Contains(in RegionAccess access) =>
        access.Region < RegionIndex.Count && access.Count <= Length(access.Region) && access.Offset <= Length(access.Region) - access.Count;

    /// <summary>Reads bytes, all of which are in the region.</summary>
    public void Read(uint region, ulong offset, Span<byte> destination)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        while (destination.Length != 0)
        {
            int width = WidthOf(region, offset, destination.Length);
            BinaryPrimitives.WriteUInt64LittleEndian(value, Load(region, offset, width));
            value[..width].CopyTo(destination);
            destination = destination[width..];
            offset += (ulong)width;
        }
    }

    /// <summary>Writes bytes, all of which are in the region.</summary>
    public void Write(uint region, ulong offset, ReadOnlySpan<byte> source)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        while (source.Length != 0)
        {
            int width = WidthOf(region, offset, source.Length);
            value.Clear();
            source[..width].CopyTo(value);
            Store(region, offset, width, BinaryPrimitives.ReadUInt64LittleEndian(value));
            source = source[width..];
            offset += (ulong)width;
        }
    }

    private static int WidthOf(uint region, ulong offset, int left)
    {
        int width = region == RegionIndex.Configuration ? ConfigurationWidthMax : BarWidthMax;
        while (width > left || (offset & (ulong)(width - 1)) != 0)
            width /= 2;
        return width;
    }

    private ulong Load(uint region, ulong offset, int width) =>
        region == RegionIndex.Configuration ? Configuration.Read((int)offset, width)
        : _messages.Contains((int)region, offset) ? _messages.Read(offset, width)
        : Configuration.ReadBar((int)region, offset, width);

    private void Store(uint region, ulong offset, int width, ulong value)
    {
        if (region == RegionIndex.Configuration)
            Configuration.Configuration.Write((int)offset, width, (uint)value);
        else if (_messages.Contains((int)region, offset))
            _messages.Write(offset, width, value);
        else
            Configuration.WriteBar((int)region, offset, width, value);
    }
}
