using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A hub on a bus whose frames run, and a host that talks to it packet by packet.</summary>
internal sealed class HubBench
{
    public const ulong MillisecondNs = 1_000_000;
    public const ulong MicroframeNs = 125_000;
    public const byte HubAddress = 5;

    private readonly byte[] _packet = new byte[UsbBus.PacketMax];

    public HubBench(UsbHubOptions? options = null, bool isConfigured = true)
    {
        Hub = new(Loop, options);
        Host = new(Hub, (options?.Speed ?? UsbSpeed.High) == UsbSpeed.High ? UsbSpeed.High : UsbSpeed.Full);
        Host.Bus.Frames.Start(0);
        Hub.Reset();
        if (isConfigured)
            Host.Configure(HubAddress);
    }

    public EventLoop Loop { get; } = new();

    public UsbHub Hub { get; }

    public UsbTestHost Host { get; }

    public HubPortStatus Status(int port)
    {
        byte[]? answer = Host.Control(Request(StandardRequest.GetStatus, 0, port) with { In = true, Length = HubPortStatus.Size });
        Assert.NotNull(answer);
        return Packed.Read<HubPortStatus>(answer);
    }

    public bool Set(PortFeature feature, int port, int selector = 0) =>
        Host.Control(Request(StandardRequest.SetFeature, (ushort)feature, port | (selector << 8))) is not null;

    public bool Clear(PortFeature feature, int port, int selector = 0) =>
        Host.Control(Request(StandardRequest.ClearFeature, (ushort)feature, port | (selector << 8))) is not null;

    public static SetupPacket Request(StandardRequest request, ushort value, int index) => new()
    {
        Type = RequestType.Class,
        Recipient = RequestRecipient.Other,
        Request = (byte)request,
        Value = value,
        Index = (ushort)index,
    };

    public static SetupPacket Request(HubRequest request, ushort value, int index) => Request((StandardRequest)request, value, index);

    /// <summary>What the status-change endpoint says; null for NAK.</summary>
    public byte[]? Changes()
    {
        (byte[] data, UsbPid end) = Host.In(1, 1, maxPacket: HubDescriptor.Size);
        return end == UsbPid.Ack ? data : null;
    }

    /// <summary>Powers a port, plugs a device in and resets it, so that it answers at address 0 or the one it has.</summary>
    public void Attach(IUsbDevice device, int port = 1)
    {
        Assert.True(Set(PortFeature.Power, port));
        Hub.Downstream[port - 1].Plug(device);
        Loop.RunFor(100 * MillisecondNs);
        ResetPort(port);
    }

    public void ResetPort(int port)
    {
        Assert.True(Set(PortFeature.Reset, port));
        Loop.RunFor(20 * MillisecondNs);
        Assert.True(Status(port) is { Enabled: true, ResetChange: true });
        Assert.True(Clear(PortFeature.ResetChange, port));
        Assert.True(Clear(PortFeature.ConnectionChange, port));
    }

    /// <summary>Waits until a microframe of a frame begins.</summary>
    public void GoTo(int microframe)
    {
        ulong count = Host.Bus.Frames.Count(Loop.NowNs) + 1;
        while ((int)(count & 7) != microframe)
            count++;
        Loop.RunFor(Host.Bus.Frames.StartOf(count) - Loop.NowNs);
    }

    public static UsbToken Token(UsbPid pid, byte device, byte endpoint, TransferType type, int port = 1, bool complete = false, bool low = false, bool end = false) =>
        new(pid, device, endpoint)
        {
            Split = new()
            {
                Pid = UsbPid.Split,
                HubAddress = HubAddress,
                Port = (byte)port,
                Complete = complete,
                SpeedOrStart = low,
                End = end,
                EndpointType = type,
            },
        };

    public UsbPid Start(UsbToken token, UsbPid dataPid = UsbPid.None, ReadOnlySpan<byte> data = default) =>
        Host.Bus.Out(token, dataPid, data).Pid;

    public (UsbPid Pid, byte[] Data) Complete(UsbToken token)
    {
        UsbReply reply = Host.Bus.In(token with { Split = token.Split with { Complete = true } }, _packet);
        if (reply.IsData)
            Host.Bus.EndIn(token, reply, _packet.AsSpan(0, reply.Length), acknowledged: false);
        return (reply.Pid, reply.IsData ? _packet[..reply.Length] : []);
    }

    /// <summary>Runs a control or bulk transaction to its end.</summary>
    public (UsbPid Pid, byte[] Data) Run(UsbToken token, UsbPid dataPid = UsbPid.None, byte[]? data = null)
    {
        for (int tries = 0; tries < 100; tries++)
        {
            Assert.Equal(UsbPid.Ack, Start(token, dataPid, data));
            (UsbPid pid, byte[] received) = (UsbPid.Nyet, []);
            for (int asks = 0; pid == UsbPid.Nyet; asks++)
            {
                Assert.True(asks < 1000);
                Loop.RunFor(10_000);
                (pid, received) = Complete(token);
            }

            if (pid != UsbPid.Nak)
                return (pid, received);
        }

        return (UsbPid.Nak, []);
    }
}
