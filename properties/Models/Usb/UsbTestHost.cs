using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A host that talks to one device packet by packet, without any controller.</summary>
internal sealed class UsbTestHost : IPortOwner
{
    private const int RetriesMax = 100;

    private readonly bool[] _toggles = new bool[32];
    private readonly int _packet0;
    private readonly byte[] _packet = new byte[UsbBus.PacketMax];

    /// <param name="device">The device.</param>
    /// <param name="packet0">Bytes in a full packet of endpoint 0, where they are not what the speed says.</param>
    public UsbTestHost(IUsbDevice device, int? packet0 = null)
        : this(device, device.Speed, packet0)
    {
    }

    /// <param name="device">The device.</param>
    /// <param name="speed">Of the bus.</param>
    /// <param name="packet0">Bytes in a full packet of endpoint 0, where they are not what the speed says.</param>
    public UsbTestHost(IUsbDevice device, UsbSpeed speed, int? packet0 = null)
    {
        _packet0 = packet0 ?? (device.Speed == UsbSpeed.Super ? 512 : device.Speed == UsbSpeed.Low ? 8 : 64);
        Bus = new(this, speed, 1);
        Bus.Ports[0].Plug(device);
        Bus.Ports[0].Passes = true;
        device.Reset();
    }

    /// <summary>Talks over a bus that a controller has too; the device answers at address 0.</summary>
    public UsbTestHost(UsbBus bus) => Bus = bus;

    public UsbBus Bus { get; }

    public byte Address { get; set; }

    /// <summary>Loses the host's acknowledgement of each IN packet, of so many bytes, for which it says so.</summary>
    public Func<int, bool> LosesAcknowledgement { get; set; } = static _ => false;

    public void PortChanged(UsbPort port)
    {
    }

    public void WakeSignalled(UsbPort port) => Wakes++;

    /// <summary>How often the device signalled wake-up.</summary>
    public int Wakes { get; private set; }

    /// <summary>A whole control transfer.</summary>
    /// <returns>The data, or null where the device stalled.</returns>
    public byte[]? Control(SetupPacket setup, ReadOnlySpan<byte> data = default)
    {
        UsbReply reply = Bus.Out(new(UsbPid.Setup, Address, 0), UsbPid.Data0, Packed.ToArray(setup, SetupPacket.Size));
        Assert.Equal(UsbPid.Ack, reply.Pid);
        List<byte> received = [];
        bool toggle = true;
        if (setup is { In: true, Length: > 0 })
        {
            while (received.Count < setup.Length)
            {
                reply = Bus.In(new(UsbPid.In, Address, 0), _packet);
                if (!reply.IsData)
                    return reply.Pid == UsbPid.Stall ? null : throw new InvalidOperationException($"{reply.Pid} in a data stage.");
                Assert.Equal(toggle ? UsbPid.Data1 : UsbPid.Data0, reply.Pid);
                toggle = !toggle;
                received.AddRange(_packet.AsSpan(0, reply.Length));
                Bus.EndIn(new(UsbPid.In, Address, 0), reply, _packet.AsSpan(0, reply.Length), acknowledged: true);
                if (reply.Length < _packet0)
                    break;
            }

            reply = Bus.Out(new(UsbPid.Out, Address, 0), UsbPid.Data1, default);
            return reply.Pid == UsbPid.Ack ? [.. received] : null;
        }

        for (int at = 0; at < data.Length; at += _packet0)
        {
            reply = Bus.Out(new(UsbPid.Out, Address, 0), toggle ? UsbPid.Data1 : UsbPid.Data0, data[at..Math.Min(at + _packet0, data.Length)]);
            if (reply.Pid != UsbPid.Ack)
                return null;
            toggle = !toggle;
        }

        reply = Bus.In(new(UsbPid.In, Address, 0), _packet);
        if (!reply.IsData)
            return null;
        Assert.Equal((UsbPid.Data1, 0), (reply.Pid, reply.Length));
        Bus.EndIn(new(UsbPid.In, Address, 0), reply, default, acknowledged: true);
        return [];
    }

    /// <summary>Talks to another device on the same bus for a while.</summary>
    public T At<T>(byte address, Func<T> talk)
    {
        byte mine = Address;
        Address = address;
        T result = talk();
        Address = mine;
        return result;
    }

    /// <summary>Gives the device an address and its first configuration.</summary>
    public void Configure(byte address = 5)
    {
        Assert.NotNull(Control(new() { Request = (byte)StandardRequest.SetAddress, Value = address }));
        Address = address;
        Assert.NotNull(Control(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }));
        Array.Clear(_toggles);
    }

    /// <summary>Sends data to an endpoint, packet by packet.</summary>
    /// <returns>How many bytes were taken, and the handshake that ended it.</returns>
    public (int Bytes, UsbPid End) Out(int endpoint, ReadOnlySpan<byte> data, int maxPacket = 512, ushort stream = 0)
    {
        int done = 0;
        do
        {
            ReadOnlySpan<byte> packet = data[done..Math.Min(done + maxPacket, data.Length)];
            ref bool toggle = ref _toggles[endpoint];
            UsbReply reply = Bus.Out(new(UsbPid.Out, Address, (byte)endpoint) { Stream = stream }, toggle ? UsbPid.Data1 : UsbPid.Data0, packet);
            if (reply.Pid is not (UsbPid.Ack or UsbPid.Nyet))
                return (done, reply.Pid);
            toggle = !toggle;
            done += packet.Length;
        }
        while (done < data.Length);
        return (done, UsbPid.Ack);
    }

    /// <summary>Reads from an endpoint until a short packet, a handshake, or as many bytes as asked for.</summary>
    /// <returns>The data, and the handshake that ended it; ACK where nothing went wrong.</returns>
    public (byte[] Data, UsbPid End) In(int endpoint, int length, int maxPacket = 512, ushort stream = 0)
    {
        List<byte> data = [];
        int retries = 0;
        while (data.Count < length)
        {
            UsbToken token = new(UsbPid.In, Address, (byte)endpoint) { Stream = stream };
            UsbReply reply = Bus.In(token, _packet);
            if (!reply.IsData)
                return ([.. data], reply.Pid);
            bool isLost = LosesAcknowledgement(reply.Length) && ++retries < RetriesMax;
            ref bool toggle = ref _toggles[16 + endpoint];
            bool isNew = (reply.Pid == UsbPid.Data1) == toggle;
            Bus.EndIn(token, reply, _packet.AsSpan(0, reply.Length), acknowledged: !isLost);
            if (isNew)
            {
                toggle = !toggle;
                data.AddRange(_packet.AsSpan(0, reply.Length));
            }

            if (isNew && reply.Length < maxPacket)
                break;
        }

        return ([.. data], UsbPid.Ack);
    }

    /// <summary>Chooses an alternate setting; all toggles begin anew, which is right for devices with one interface that has any.</summary>
    public bool SetInterface(int number, int alternate)
    {
        bool isDone = Control(new()
        {
            Recipient = RequestRecipient.Interface,
            Request = (byte)StandardRequest.SetInterface,
            Value = (ushort)alternate,
            Index = (ushort)number,
        }) is not null;
        if (isDone)
            Array.Clear(_toggles);
        return isDone;
    }

    /// <summary>A descriptor of the device, or null where it has none.</summary>
    public byte[]? Descriptor(DescriptorType type, int index = 0, int length = 4096) => Control(new()
    {
        In = true,
        Request = (byte)StandardRequest.GetDescriptor,
        Value = (ushort)(((int)type << 8) | index),
        Length = (ushort)length,
    });

    /// <summary>A class request to an interface.</summary>
    /// <returns>The data, or null where the device stalled.</returns>
    public byte[]? ClassRequest(byte request, int value = 0, int index = 0, int length = 0, byte[]? data = null) => Control(
        new()
        {
            In = data is null && length != 0,
            Type = RequestType.Class,
            Recipient = RequestRecipient.Interface,
            Request = request,
            Value = (ushort)value,
            Index = (ushort)index,
            Length = (ushort)(data?.Length ?? length),
        },
        data);

    /// <summary>Sends a packet that nobody acknowledges.</summary>
    public void IsochronousOut(int endpoint, ReadOnlySpan<byte> data) =>
        Assert.Equal(UsbPid.None, Bus.Out(new(UsbPid.Out, Address, (byte)endpoint), UsbPid.Data0, data).Pid);

    /// <summary>Fetches a packet and acknowledges nothing.</summary>
    public (UsbPid Pid, byte[] Data) IsochronousIn(int endpoint)
    {
        UsbToken token = new(UsbPid.In, Address, (byte)endpoint);
        UsbReply reply = Bus.In(token, _packet);
        byte[] data = _packet[..reply.Length];
        if (reply.IsData)
            Bus.EndIn(token, reply, data, acknowledged: false);
        return (reply.Pid, data);
    }

    /// <summary>Clears the halt of an endpoint on both sides.</summary>
    public void ClearHalt(int endpoint, bool isIn)
    {
        Assert.NotNull(Control(new()
        {
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)StandardRequest.ClearFeature,
            Value = (ushort)FeatureSelector.EndpointHalt,
            Index = (ushort)(endpoint | (isIn ? 0x80 : 0)),
        }));
        _toggles[endpoint + (isIn ? 16 : 0)] = false;
    }
}
