using System.Buffers.Binary;
using System.Text;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The bytes with which a disk answers questions about itself (SPC, SBC, MMC).</summary>
/// <remarks>Each method fills the front of a buffer and returns how many bytes there are; negative where the question makes no sense.</remarks>
internal static class ScsiAnswers
{
    /// <summary>The longest answer, in bytes.</summary>
    public const int LengthMax = 256;

    /// <summary>The service action that makes SERVICE ACTION IN (16) a READ CAPACITY (16).</summary>
    public const int ReadCapacity16Action = 0x10;

    private const int Nonsense = -1;
    private const byte SpcVersion = 4;
    private const byte SupportedPages = 0x00;
    private const byte SerialNumberPage = 0x80;
    private const byte IdentificationPage = 0x83;
    private const byte CachingPage = 0x08;
    private const byte AllPages = 0x3F;
    private const int CachingPageLength = 20;
    private const byte WriteProtect = 1 << 7;

    /// <summary>INQUIRY, standard data or a page of vital product data.</summary>
    public static int Inquiry(in CommandBlock command, ScsiDiskOptions options, Span<byte> answer)
    {
        bool vitalProductData = command.Raw.Bit(8);
        byte page = (byte)command.Raw.Bits(23, 16);
        answer.Clear();
        if (!vitalProductData)
            return page == 0 ? StandardInquiry(options, answer) : Nonsense;
        int length = page switch
        {
            SupportedPages => CopyTo([SupportedPages, SerialNumberPage, IdentificationPage], answer[4..]),
            SerialNumberPage => Ascii(options.SerialNumber, answer[4..]),
            IdentificationPage => Identification(options, answer[4..]),
            _ => Nonsense,
        };
        if (length < 0)
            return Nonsense;
        answer[1] = page;
        answer[3] = (byte)length;
        return 4 + length;
    }

    /// <summary>REQUEST SENSE, fixed format.</summary>
    public static int SenseData(Sense sense, Span<byte> answer)
    {
        const int Information = 3;
        answer.Clear();
        SenseData data = new()
        {
            ResponseCode = 0x70,
            InformationValid = sense.Block <= uint.MaxValue,
            Key = sense.Key,
            AdditionalLength = Spec.SenseData.Size - 8,
            AdditionalCode = sense.Code,
            AdditionalQualifier = sense.Qualifier,
        };
        Packed.Write(data, answer[..Spec.SenseData.Size]);
        if (data.InformationValid)
            BinaryPrimitives.WriteUInt32BigEndian(answer[Information..], (uint)sense.Block!.Value);
        return Spec.SenseData.Size;
    }

    /// <summary>MODE SENSE (6).</summary>
    public static int ModeSense6(in CommandBlock command, bool isReadOnly, Span<byte> answer)
    {
        const int Header = 4;
        answer.Clear();
        int pages = ModePages((byte)command.Raw.Bits(23, 16), answer[Header..]);
        if (pages < 0)
            return Nonsense;
        answer[0] = (byte)(Header - 1 + pages);
        answer[2] = isReadOnly ? WriteProtect : (byte)0;
        return Header + pages;
    }

    /// <summary>MODE SENSE (10).</summary>
    public static int ModeSense10(in CommandBlock command, bool isReadOnly, Span<byte> answer)
    {
        const int Header = 8;
        answer.Clear();
        int pages = ModePages((byte)command.Raw.Bits(23, 16), answer[Header..]);
        if (pages < 0)
            return Nonsense;
        BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)(Header - 2 + pages));
        answer[3] = isReadOnly ? WriteProtect : (byte)0;
        return Header + pages;
    }

    /// <summary>READ CAPACITY (10).</summary>
    public static int ReadCapacity10(ulong blocks, uint blockLength, Span<byte> answer)
    {
        ReadCapacity10Data data = new() { LastLogicalBlock = (uint)Math.Min(Last(blocks), uint.MaxValue), BlockLength = blockLength };
        Packed.Write(data, answer[..ReadCapacity10Data.Size]);
        return ReadCapacity10Data.Size;
    }

    /// <summary>READ CAPACITY (16).</summary>
    public static int ReadCapacity16(ulong blocks, uint blockLength, Span<byte> answer)
    {
        ReadCapacity16Data data = new() { LastLogicalBlock = Last(blocks), BlockLength = blockLength };
        Packed.Write(data, answer[..ReadCapacity16Data.Size]);
        return ReadCapacity16Data.Size;
    }

    /// <summary>READ FORMAT CAPACITIES: one descriptor, of formatted media.</summary>
    public static int ReadFormatCapacities(ulong blocks, uint blockLength, Span<byte> answer)
    {
        const byte DescriptorLength = 8;
        const uint FormattedMedia = 2u << 24;
        answer.Clear();
        answer[3] = DescriptorLength;
        BinaryPrimitives.WriteUInt32BigEndian(answer[4..], (uint)Math.Min(blocks, uint.MaxValue));
        BinaryPrimitives.WriteUInt32BigEndian(answer[8..], FormattedMedia | blockLength);
        return 4 + DescriptorLength;
    }

    /// <summary>REPORT LUNS: unit 0 alone.</summary>
    public static int ReportLuns(Span<byte> answer)
    {
        const byte ListLength = 8;
        answer[..(8 + ListLength)].Clear();
        answer[3] = ListLength;
        return 8 + ListLength;
    }

    // A disk without blocks has no last one; all that can be said is 0.
    private static ulong Last(ulong blocks) => blocks == 0 ? 0 : blocks - 1;

    private static int StandardInquiry(ScsiDiskOptions options, Span<byte> answer)
    {
        InquiryData data = new()
        {
            Removable = options.IsRemovable,
            Version = SpcVersion,
            ResponseFormat = 2,
            AdditionalLength = InquiryData.Size - 5,
        };
        Packed.Write(data, answer[..InquiryData.Size]);
        Pad(options.Vendor, answer[InquiryData.VendorOffset..InquiryData.ProductOffset]);
        Pad(options.Product, answer[InquiryData.ProductOffset..InquiryData.RevisionOffset]);
        Pad(options.Revision, answer[InquiryData.RevisionOffset..InquiryData.Size]);
        return InquiryData.Size;
    }

    // One designator: ASCII, T10 vendor identification, of the logical unit.
    private static int Identification(ScsiDiskOptions options, Span<byte> page)
    {
        const int Header = 4;
        const int Vendor = 8;
        Pad(options.Vendor, page[Header..(Header + Vendor)]);
        int serial = Ascii(options.SerialNumber, page[(Header + Vendor)..]);
        page[0] = 2;
        page[1] = 1;
        page[3] = (byte)(Vendor + serial);
        return Header + Vendor + serial;
    }

    private static int ModePages(byte field, Span<byte> pages)
    {
        // Bits 7:6 of the field ask for current, changeable, default or saved values; nothing can be changed or saved.
        int control = field >> 6;
        if (control == 3 || (field & 0x3F) is not (AllPages or CachingPage))
            return Nonsense;
        pages[0] = CachingPage;
        pages[1] = CachingPageLength - 2;
        return CachingPageLength;
    }

    private static void Pad(string text, Span<byte> field)
    {
        field.Fill((byte)' ');
        _ = Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, field.Length)), field);
    }

    private static int Ascii(string text, Span<byte> field)
    {
        const int LengthMax = 64;
        return Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, LengthMax)), field);
    }

    private static int CopyTo(ReadOnlySpan<byte> bytes, Span<byte> destination)
    {
        bytes.CopyTo(destination);
        return bytes.Length;
    }
}
