using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A unit that waits to be fetched from the status pipe.</summary>
internal readonly record struct UasAnswer
{
    private readonly InformationUnitId _id;
    private readonly byte _code;
    private readonly Sense _sense;

    private UasAnswer(InformationUnitId id, ushort tag, byte code, Sense sense) => (_id, Tag, _code, _sense) = (id, tag, code, sense);

    /// <summary>The command or function that it is about.</summary>
    public ushort Tag { get; }

    /// <summary>Whether it invites the host to move data; nobody may be invited to the data of a command that is gone.</summary>
    public bool IsReady => _id is InformationUnitId.ReadReady or InformationUnitId.WriteReady;

    /// <summary>READ READY or WRITE READY.</summary>
    public static UasAnswer Ready(ushort tag, bool isRead) =>
        new(isRead ? InformationUnitId.ReadReady : InformationUnitId.WriteReady, tag, 0, Sense.None);

    /// <summary>SENSE: a command ended.</summary>
    public static UasAnswer Ended(ushort tag, ScsiStatus status, Sense sense) => new(InformationUnitId.Sense, tag, (byte)status, sense);

    /// <summary>RESPONSE.</summary>
    public static UasAnswer Response(ushort tag, ResponseCode code) => new(InformationUnitId.Response, tag, (byte)code, Sense.None);

    /// <summary>Writes the unit.</summary>
    /// <param name="packet">Room for a packet.</param>
    /// <returns>Its bytes.</returns>
    public int WriteTo(Span<byte> packet)
    {
        switch (_id)
        {
            case InformationUnitId.Sense:
                int senseLength = _sense == Sense.None ? 0 : ScsiAnswers.SenseData(_sense, packet[SenseUnit.Size..][..SenseData.Size]);
                SenseUnit unit = new() { Id = _id, Tag = Tag, Status = (ScsiStatus)_code, SenseLength = (ushort)senseLength };
                Packed.Write(unit, packet[..SenseUnit.Size]);
                return SenseUnit.Size + senseLength;
            case InformationUnitId.Response:
                Packed.Write(new ResponseUnit { Id = _id, Tag = Tag, Code = (ResponseCode)_code }, packet[..ResponseUnit.Size]);
                return ResponseUnit.Size;
            default:
                Packed.Write(new InformationUnit { Id = _id, Tag = Tag }, packet[..InformationUnit.Size]);
                return InformationUnit.Size;
        }
    }
}
