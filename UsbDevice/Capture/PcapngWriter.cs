using System.Buffers.Binary;
using System.Text;

namespace Dma.UsbDevice;

/// <summary>Writes a capture file (pcapng, draft-ietf-opsawg-pcapng): one section, an interface for each bus, a packet for each event.</summary>
internal sealed class PcapngWriter
{
    private const uint SectionHeader = 0x0A0D_0D0A;
    private const uint InterfaceDescription = 1;
    private const uint EnhancedPacket = 6;
    private const uint ByteOrderMagic = 0x1A2B_3C4D;
    private const ushort MajorVersion = 1;
    private const ushort LinkTypeUsbLinuxMmapped = 220;
    private const ushort OptionEnd = 0;
    private const ushort OptionInterfaceName = 2;
    private const ushort OptionTimeResolution = 9;

    // Times count nanoseconds: 10 to the minus 9th.
    private const byte Nanoseconds = 9;

    private readonly Stream _stream;
    private readonly List<byte> _body = [];

    /// <summary>A capture with no interface yet.</summary>
    /// <param name="stream">Where it goes; it stays open.</param>
    public PcapngWriter(Stream stream)
    {
        _stream = stream;
        Add32(ByteOrderMagic);
        Add16(MajorVersion);
        Add16(0);

        // The length of the section is not known while it is written.
        Add32(uint.MaxValue);
        Add32(uint.MaxValue);
        WriteBlock(SectionHeader);
    }

    /// <summary>Declares an interface; they are numbered from 0 in this order.</summary>
    public void AddInterface(string name)
    {
        Add16(LinkTypeUsbLinuxMmapped);
        Add16(0);

        // No limit to the bytes of a packet.
        Add32(0);
        AddOption(OptionInterfaceName, Encoding.UTF8.GetBytes(name));
        AddOption(OptionTimeResolution, [Nanoseconds]);
        AddOption(OptionEnd, []);
        WriteBlock(InterfaceDescription);
    }

    /// <summary>Writes a packet.</summary>
    /// <param name="number">Its interface.</param>
    /// <param name="timeNs">When, in nanoseconds.</param>
    /// <param name="packet">The bytes.</param>
    public void Write(int number, ulong timeNs, ReadOnlySpan<byte> packet)
    {
        Add32((uint)number);
        Add32((uint)(timeNs >> 32));
        Add32((uint)timeNs);
        Add32((uint)packet.Length);
        Add32((uint)packet.Length);
        AddPadded(packet);
        WriteBlock(EnhancedPacket);
    }

    private void AddOption(ushort code, ReadOnlySpan<byte> value)
    {
        Add16(code);
        Add16((ushort)value.Length);
        AddPadded(value);
    }

    private void Add16(ushort value)
    {
        _body.Add((byte)value);
        _body.Add((byte)(value >> 8));
    }

    private void Add32(uint value)
    {
        Add16((ushort)value);
        Add16((ushort)(value >> 16));
    }

    private void AddPadded(ReadOnlySpan<byte> bytes)
    {
        _body.AddRange(bytes);
        while (_body.Count % 4 != 0)
            _body.Add(0);
    }

    // Type and length stand before the body, the length again behind it.
    private void WriteBlock(uint type)
    {
        Span<byte> head = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(head, type);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (uint)(_body.Count + 12));
        _stream.Write(head);
        _stream.Write(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_body));
        _stream.Write(head[4..]);
        _body.Clear();
    }
}
