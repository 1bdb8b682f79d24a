using System.Buffers.Binary;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Looks at what a USB controller writes, and whether each interrupt that tells of a completion comes after the status that it tells of (U3).</summary>
internal sealed class CompletionWatch
{
    private const int TrbTypeOffset = 12;
    private const int IsochronousBytes = 4;
    private const int TransferBytes = 8;
    private const int SplitBytes = 12;
    private const int EhciStatusAt = 0x20 + EhciOperationalOffsets.UsbStatus;

    private readonly byte[] _status = new byte[Trb.Size];
    private int _length;
    private Iova _at;

    /// <summary>Interrupts.</summary>
    public ulong Interrupts { get; private set; }

    /// <summary>Interrupts since whose last one no status was written, and which nothing but a status explains.</summary>
    public ulong Premature { get; private set; }

    /// <summary>Interrupts at whose moment the VM did not find in its memory what the controller wrote there at last.</summary>
    public ulong Unseen { get; private set; }

    /// <summary>A request that writes.</summary>
    /// <param name="address">Where.</param>
    /// <param name="source">What.</param>
    /// <param name="hasOtherCause">Whether the controller interrupts for something that it does not write into memory.</param>
    /// <param name="finds">Whether software finds some bytes at an address; null where nobody looks.</param>
    public void Saw(Iova address, ReadOnlySpan<byte> source, Func<bool> hasOtherCause, Func<Iova, byte[], bool>? finds = null)
    {
        if (!InterruptRange.Contains(address.Value))
        {
            if (IsStatus(source))
            {
                source.CopyTo(_status);
                (_at, _length) = (address, source.Length);
            }

            return;
        }

        Interrupts++;
        if (_length == 0)
            Premature += hasOtherCause() ? 0u : 1;
        else if (finds?.Invoke(_at, _status[.._length]) == false)
            Unseen++;
        _length = 0;
    }

    /// <summary>Whether an EHCI controller interrupts for something that its registers alone tell.</summary>
    public static bool HasOtherCause(PciFunction function) => function is EhciController
        && new UsbStatus(new((uint)function.ReadBar(0, EhciStatusAt, sizeof(uint)))) is { PortChange: true } or { FrameListRollover: true } or { AsyncAdvance: true } or { HostSystemError: true };

    // An event of xHCI; what is left of a qTD, a slot of an iTD or a siTD that is not active any more. Data may look like one.
    private static bool IsStatus(ReadOnlySpan<byte> source) => source.Length switch
    {
        Trb.Size => BinaryPrimitives.ReadUInt32LittleEndian(source[TrbTypeOffset..]) >> 10 >= (uint)TrbType.TransferEvent,
        TransferBytes or SplitBytes => !new TransferToken(new(BinaryPrimitives.ReadUInt32LittleEndian(source))).Active,
        IsochronousBytes => !new IsochronousSlot(new(BinaryPrimitives.ReadUInt32LittleEndian(source))).Active,
        _ => false,
    };
}
