using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A host of a disk with USB attached SCSI, with as many commands under way as a test wants.</summary>
internal sealed class UasTestHost
{
    private const int DataIn = 1;
    private const int DataOut = 2;
    private const int Status = 3;
    private const int Command = 4;

    public UasTestHost(UasDevice device)
    {
        Usb = new(device);
        Usb.Configure();
        Assert.True(Usb.SetInterface(0, 1));
        HasStreams = device.Speed == UsbSpeed.Super;
        MaxPacket = HasStreams ? 1024 : 512;
    }

    public UsbTestHost Usb { get; }

    public bool HasStreams { get; }

    public int MaxPacket { get; }

    /// <summary>A unit of the status pipe, taken apart.</summary>
    /// <param name="Id">What it is.</param>
    /// <param name="Tag">Whom it is about.</param>
    /// <param name="Status">Of a SENSE unit.</param>
    /// <param name="Sense">The sense data of a SENSE unit.</param>
    /// <param name="Code">Of a RESPONSE unit.</param>
    public sealed record Answer(InformationUnitId Id, ushort Tag, ScsiStatus Status, SenseData Sense, ResponseCode Code);

    public UsbPid SendRaw(ReadOnlySpan<byte> unit) => Usb.Out(Command, unit, MaxPacket).End;

    public UsbPid Send(ushort tag, CommandBlock command, TaskAttribute attribute = TaskAttribute.Simple, ulong unit = 0) => SendRaw(Packed.ToArray(
        new CommandUnit { Id = InformationUnitId.Command, Tag = tag, Attribute = attribute, LogicalUnit = unit, Command = command },
        CommandUnit.Size));

    public UsbPid Manage(ushort tag, TaskFunction function, ushort taskTag = 0, ulong unit = 0) => SendRaw(Packed.ToArray(
        new TaskManagementUnit { Id = InformationUnitId.TaskManagement, Tag = tag, Function = function, TaskTag = taskTag, LogicalUnit = unit },
        TaskManagementUnit.Size));

    /// <summary>The next unit of the status pipe, with streams that of a tag; null where there is none.</summary>
    public Answer? Next(ushort tag = 0)
    {
        (byte[] bytes, UsbPid end) = Usb.In(Status, MaxPacket, MaxPacket, HasStreams ? tag : (ushort)0);
        if (end != UsbPid.Ack)
        {
            Assert.Equal(UsbPid.Nak, end);
            return null;
        }

        InformationUnit head = Packed.Read<InformationUnit>(bytes);
        SenseUnit sense = Packed.Read<SenseUnit>(bytes);
        ResponseUnit response = Packed.Read<ResponseUnit>(bytes);
        Assert.Equal(
            head.Id switch
            {
                InformationUnitId.Sense => SenseUnit.Size + sense.SenseLength,
                InformationUnitId.Response => ResponseUnit.Size,
                _ => InformationUnit.Size,
            },
            bytes.Length);
        bool isSense = head.Id == InformationUnitId.Sense;
        return new(
            head.Id,
            head.Tag,
            isSense ? sense.Status : default,
            isSense ? Packed.Read<SenseData>(bytes.AsSpan(SenseUnit.Size)) : default,
            head.Id == InformationUnitId.Response ? response.Code : default);
    }

    public (byte[] Data, UsbPid End) Read(ushort tag, int length) => Usb.In(DataIn, length, MaxPacket, HasStreams ? tag : (ushort)0);

    public (int Bytes, UsbPid End) Write(ushort tag, ReadOnlySpan<byte> data) => Usb.Out(DataOut, data, MaxPacket, HasStreams ? tag : (ushort)0);

    /// <summary>Runs one command to its end, as a driver does.</summary>
    public (ScsiStatus Status, SenseData Sense, byte[] Data) Run(ushort tag, CommandBlock command, int length = 0, byte[]? data = null)
    {
        Assert.Equal(UsbPid.Ack, Send(tag, command));
        return Complete(tag, length, data);
    }

    /// <summary>Moves the data of a command that is under way, and fetches its status.</summary>
    public (ScsiStatus Status, SenseData Sense, byte[] Data) Complete(ushort tag, int length = 0, byte[]? data = null)
    {
        byte[] received = [];
        Answer? answer = HasStreams ? null : Next();
        if (HasStreams || answer is { Id: InformationUnitId.ReadReady or InformationUnitId.WriteReady })
        {
            if (data is not null)
                _ = Write(tag, data);
            else if (length != 0)
                received = Read(tag, length).Data;
            answer = Next(tag);
        }

        Assert.NotNull(answer);
        Assert.Equal((InformationUnitId.Sense, tag), (answer.Id, answer.Tag));
        return (answer.Status, answer.Sense, received);
    }
}
