using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A host of a bulk-only disk that does exactly what it is told, sense or nonsense, and then follows the recovery ladder.</summary>
internal sealed class BulkOnlyTestHost
{
    private const int InEndpoint = 1;
    private const int OutEndpoint = 2;

    private uint _tag;

    public BulkOnlyTestHost(IUsbDevice device)
    {
        Usb = new(device);
        Usb.Configure();
    }

    public UsbTestHost Usb { get; }

    public int MaxPacket { get; init; } = 512;

    /// <summary>How one exchange went.</summary>
    /// <param name="Status">What the status wrapper said, or null where there was none.</param>
    /// <param name="Residue">What was left, as the device says.</param>
    /// <param name="Data">What came.</param>
    /// <param name="Sent">How much was taken.</param>
    /// <param name="Stalled">Whether a data pipe had to be cleared.</param>
    public sealed record Exchange(CommandStatus? Status, uint Residue, byte[] Data, int Sent, bool Stalled);

    /// <summary>Runs a command as a host would that expects so many bytes.</summary>
    public Exchange Run(CommandBlock command, uint expected, bool isIn, ReadOnlyMemory<byte> data = default, int commandLength = 16)
    {
        uint tag = ++_tag * 0x01010101;
        byte[] wrapper = Packed.ToArray(
            new CommandBlockWrapper
            {
                Signature = CommandBlockWrapper.ValidSignature,
                Tag = tag,
                DataLength = expected,
                In = isIn,
                CommandLength = commandLength,
                Command = command,
            },
            CommandBlockWrapper.Size);
        Assert.Equal((CommandBlockWrapper.Size, UsbPid.Ack), Usb.Out(OutEndpoint, wrapper));
        byte[] received = [];
        int sent = 0;
        UsbPid end = UsbPid.Ack;
        if (expected != 0 && isIn)
            (received, end) = Usb.In(InEndpoint, (int)expected, MaxPacket);
        else if (expected != 0)
            (sent, end) = Usb.Out(OutEndpoint, data.Span[..(int)expected], MaxPacket);
        if (end == UsbPid.Stall)
            Usb.ClearHalt(isIn ? InEndpoint : OutEndpoint, isIn);
        else
            Assert.Equal(UsbPid.Ack, end);
        (CommandStatus? status, uint residue) = FetchStatus(tag);
        return new(status, residue, received, sent, end == UsbPid.Stall);
    }

    /// <summary>Sends any bytes where a command wrapper is expected.</summary>
    public UsbPid SendRaw(ReadOnlySpan<byte> bytes) => Usb.Out(OutEndpoint, bytes).End;

    /// <summary>Asks for the data or status pipe once.</summary>
    public (byte[] Data, UsbPid End) ReadOnce() => Usb.In(InEndpoint, 1);

    /// <summary>Class reset, then both halts, in that order.</summary>
    public void Recover()
    {
        Assert.NotNull(Usb.Control(new()
        {
            Type = RequestType.Class,
            Recipient = RequestRecipient.Interface,
            Request = (byte)BulkOnlyRequest.Reset,
        }));
        Usb.ClearHalt(InEndpoint, isIn: true);
        Usb.ClearHalt(OutEndpoint, isIn: false);
    }

    /// <summary>The sense data of the last command: key, code, qualifier.</summary>
    public (SenseKey Key, int Code, int Qualifier) Sense()
    {
        Exchange exchange = Run(new CommandBlock6 { Operation = ScsiOperation.RequestSense, Length = SenseData.Size }.Block, SenseData.Size, isIn: true, commandLength: 6);
        Assert.Equal(CommandStatus.Passed, exchange.Status);
        SenseData sense = Packed.Read<SenseData>(exchange.Data);
        return (sense.Key, sense.AdditionalCode, sense.AdditionalQualifier);
    }

    private (CommandStatus? Status, uint Residue) FetchStatus(uint tag)
    {
        (byte[] bytes, UsbPid end) = Usb.In(InEndpoint, CommandStatusWrapper.Size, MaxPacket);
        if (end == UsbPid.Stall)
        {
            // A halted status pipe is cleared and asked once more.
            Usb.ClearHalt(InEndpoint, isIn: true);
            (bytes, end) = Usb.In(InEndpoint, CommandStatusWrapper.Size, MaxPacket);
        }

        if (end != UsbPid.Ack)
            return (null, 0);
        Assert.Equal(CommandStatusWrapper.Size, bytes.Length);
        CommandStatusWrapper status = Packed.Read<CommandStatusWrapper>(bytes);
        Assert.Equal(CommandStatusWrapper.ValidSignature, status.Signature);
        Assert.Equal(tag, status.Tag);
        return (status.Status, status.DataResidue);
    }
}
