using System.Runtime.InteropServices;

namespace Dma.UsbDevice;

/// <summary>What stands before the data of each event in a capture (Linux usbmon, binary form of 64 bytes; link type 220).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct UsbmonHeader
{
    /// <summary>Bytes of it.</summary>
    public const int Size = 64;

    /// <summary>The submission of a transfer.</summary>
    public const byte Submit = (byte)'S';

    /// <summary>Its completion.</summary>
    public const byte Complete = (byte)'C';

    /// <summary>Bytes 0 to 7: the same in the submission and the completion of a transfer.</summary>
    public ulong Id;

    /// <summary>Byte 8: submission or completion.</summary>
    public byte Event;

    /// <summary>Byte 9: 0 isochronous, 1 interrupt, 2 control, 3 bulk.</summary>
    public byte Transfer;

    /// <summary>Byte 10: the endpoint, with the direction in bit 7.</summary>
    public byte Endpoint;

    /// <summary>Byte 11: the device's address.</summary>
    public byte Device;

    /// <summary>Bytes 12 and 13: the number of the bus.</summary>
    public ushort Bus;

    /// <summary>Byte 14: 0 where the setup bytes are present, else a dash.</summary>
    public byte SetupFlag;

    /// <summary>Byte 15: 0 where data follows, else which way it goes in the other event.</summary>
    public byte DataFlag;

    /// <summary>Bytes 16 to 23: the time, whole seconds.</summary>
    public long Seconds;

    /// <summary>Bytes 24 to 27: the rest of the time, in microseconds.</summary>
    public int Microseconds;

    /// <summary>Bytes 28 to 31: how it ended, as a negative error number of Linux; 0 for success.</summary>
    public int Status;

    /// <summary>Bytes 32 to 35: bytes asked for, or moved.</summary>
    public uint Length;

    /// <summary>Bytes 36 to 39: bytes that follow this header.</summary>
    public uint CapturedLength;

    /// <summary>Bytes 40 to 47: the setup bytes; of an isochronous transfer the number of errors, and of descriptors.</summary>
    public ulong Setup;

    /// <summary>Bytes 48 to 51: the polling interval of periodic transfers.</summary>
    public int Interval;

    /// <summary>Bytes 52 to 55: the first frame of isochronous transfers.</summary>
    public int StartFrame;

    /// <summary>Bytes 56 to 59: flags of the software that submitted.</summary>
    public uint Flags;

    /// <summary>Bytes 60 to 63: how many isochronous descriptors, of 16 bytes each, come before the data.</summary>
    public uint DescriptorCount;
}
