using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device whose endpoints answer as a script says, from its beginning again where it ends; without a script an endpoint answers NAK.</summary>
internal sealed class AnsweringDevice() : StandardDevice(UsbSpeed.High, s_descriptors)
{
    /// <summary>How many bulk endpoints it has in each direction, from 1 on.</summary>
    public const int BulkCount = 7;

    /// <summary>How many interrupt endpoints it has, which send, behind those.</summary>
    public const int InterruptCount = 4;

    private const int PacketBytes = 512;

    private static readonly DescriptorSet s_descriptors = VendorDescriptors.Describe(0x00FC,
    [
        .. Enumerable.Range(1, BulkCount).Select(number => (0x80 | number, TransferType.Bulk, PacketBytes, (byte)0)),
        .. Enumerable.Range(1, BulkCount).Select(number => (number, TransferType.Bulk, PacketBytes, (byte)0)),
        .. Enumerable.Range(1 + BulkCount, InterruptCount).Select(number => (0x80 | number, TransferType.Interrupt, PacketBytes, (byte)1)),
    ]);

    private readonly Dictionary<int, (DeviceAnswer[] Answers, int Next)> _scripts = [];

    /// <summary>Says how an endpoint answers.</summary>
    /// <param name="endpoint">Its number, with the direction in bit 7.</param>
    /// <param name="answers">One or more.</param>
    public void Script(int endpoint, DeviceAnswer[] answers) => _scripts[endpoint] = (answers, 0);

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => Next(endpoint) switch
    {
        { Pid: UsbPid.Nak } => UsbReply.Nak,
        { Pid: UsbPid.Stall } => UsbReply.Stall,
        { Pid: UsbPid.None } => UsbReply.Silence,
        _ => UsbReply.Ack,
    };

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) => Next(endpoint) switch
    {
        { Pid: UsbPid.Nak } => UsbReply.Nak,
        { Pid: UsbPid.Stall } => UsbReply.Stall,
        { Pid: UsbPid.None } => UsbReply.Silence,
        { Bytes: var bytes } => UsbReply.Data(endpoint.Toggle, bytes),
    };

    // A PING takes the NAK that the data would have met with.
    protected override bool IsReadyFor(DeviceEndpoint endpoint) => !_scripts.TryGetValue(endpoint.Address, out (DeviceAnswer[] Answers, int Next) script)
        || script.Answers[script.Next % script.Answers.Length].Pid != UsbPid.Nak
        || Next(endpoint).Pid != UsbPid.Nak;

    private DeviceAnswer Next(DeviceEndpoint endpoint)
    {
        if (!_scripts.TryGetValue(endpoint.Address, out (DeviceAnswer[] Answers, int Next) script))
            return DeviceAnswer.Nak;
        _scripts[endpoint.Address] = script with { Next = script.Next + 1 };
        return script.Answers[script.Next % script.Answers.Length];
    }
}
