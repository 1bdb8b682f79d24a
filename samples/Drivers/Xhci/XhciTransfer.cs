using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A transfer on a ring: its TRBs, and what events say of them.</summary>
internal sealed class XhciTransfer
{
    /// <summary>A buffer must not cross a border of 64 KiB.</summary>
    private const int BorderBytes = 0x10000;

    private const int PacketsLeftMax = 31;

    private readonly List<Trb> _trbs = [];
    private readonly List<int> _dataBytes = [];
    private ulong[] _places = [];
    private bool _hasShort;

    /// <summary>How it ended; <see cref="TransferStatus.None"/> while it runs.</summary>
    public TransferStatus Status { get; private set; }

    /// <summary>Data bytes that were moved.</summary>
    public int BytesMoved { get; private set; }

    /// <summary>How many TRBs it takes.</summary>
    public int TrbCount => _trbs.Count;

    /// <summary>Begins a new one.</summary>
    public void Clear()
    {
        _trbs.Clear();
        _dataBytes.Clear();
        (Status, BytesMoved, _hasShort) = (TransferStatus.None, 0, false);
    }

    /// <summary>Adds a TRB that moves no data.</summary>
    public void Add(Bits128 trb) => Add(trb, 0);

    /// <summary>Adds data.</summary>
    /// <param name="data">Where it is for the device.</param>
    /// <param name="maxPacketSize">Bytes in a full packet.</param>
    /// <param name="stage">The direction of a data stage, whose first TRB says it; null for other endpoints.</param>
    public void AddData(DmaMapping data, int maxPacketSize, bool? stage)
    {
        ulong address = data.DeviceAddress.Value;
        int left = data.Length;
        bool isFirst = true;
        do
        {
            int step = (int)Math.Min((ulong)left, BorderBytes - address % BorderBytes);
            left -= step;
            int packets = Math.Min((left + maxPacketSize - 1) / maxPacketSize, PacketsLeftMax);

            // A short packet ends the data: an event tells where, and that stands for the rest.
            NormalTrb normal = new()
            {
                Type = TrbType.Normal,
                Buffer = address,
                Length = step,
                TdSize = packets,
                InterruptOnShort = true,
                Chain = left != 0,
                InterruptOnCompletion = left == 0 && stage is null,
            };
            Add(isFirst && stage is { } isIn ? (new DataTrb(normal.Raw) with { Type = TrbType.Data, In = isIn }).Raw : normal.Raw, step);
            isFirst = false;
            address += (ulong)step;
        }
        while (left != 0);
    }

    /// <summary>Puts it onto a ring; the controller must be told.</summary>
    public void Submit(XhciRing ring)
    {
        if (_places.Length < _trbs.Count)
            _places = new ulong[_trbs.Count];
        ring.Push(CollectionsMarshal.AsSpan(_trbs), _places);
    }

    /// <summary>Takes an event of its endpoint; one that belongs to an earlier transfer changes nothing.</summary>
    public void Take(TransferEvent transfer)
    {
        int index = Array.IndexOf(_places, transfer.Pointer, 0, _trbs.Count);
        if (index < 0 || Status != TransferStatus.None)
            return;
        bool isLast = index == _trbs.Count - 1;
        switch (transfer.Code)
        {
            case CompletionCode.Success when isLast:
                // Where a short packet ended the data of a request before, its bytes are counted.
                BytesMoved = _hasShort ? BytesMoved : BytesBefore(_trbs.Count);
                Status = TransferStatus.Completed;
                break;
            case CompletionCode.Success:
                break;
            case CompletionCode.ShortPacket:
                BytesMoved = BytesUpTo(index, transfer.Residual);
                _hasShort = true;
                if (_trbs[^1].Type != TrbType.Status)
                    Status = TransferStatus.Completed;
                break;
            case CompletionCode.Stopped or CompletionCode.StoppedShortPacket:
                BytesMoved = BytesUpTo(index, transfer.Residual);
                break;
            case CompletionCode.StoppedLengthInvalid:
                BytesMoved = BytesBefore(index);
                break;
            default:
                BytesMoved = BytesUpTo(index, transfer.Residual);
                Status = Outcome(transfer.Code);
                break;
        }
    }

    /// <summary>What a completion code means for whoever waits.</summary>
    public static TransferStatus Outcome(CompletionCode code) => code switch
    {
        CompletionCode.Success or CompletionCode.ShortPacket => TransferStatus.Completed,
        CompletionCode.Stall => TransferStatus.Stalled,
        CompletionCode.Babble or CompletionCode.IsochronousBufferOverrun => TransferStatus.Babble,
        CompletionCode.DataBufferError => TransferStatus.BufferError,
        CompletionCode.TransactionError or CompletionCode.SplitError or CompletionCode.NoPingResponse => TransferStatus.NoAnswer,
        _ => TransferStatus.Rejected,
    };

    private void Add(Bits128 trb, int dataBytes)
    {
        _trbs.Add(new(trb));
        _dataBytes.Add(dataBytes);
    }

    private int BytesUpTo(int index, int residual) => BytesBefore(index) + Math.Max(0, _dataBytes[index] - residual);

    private int BytesBefore(int index)
    {
        int bytes = 0;
        for (int before = 0; before < index; before++)
            bytes += _dataBytes[before];
        return bytes;
    }
}
