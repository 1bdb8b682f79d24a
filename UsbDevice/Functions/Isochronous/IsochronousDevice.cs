using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A device with one isochronous endpoint, of another size in each setting of its interface, as cameras and measuring instruments have it.</summary>
/// <remarks>The class is vendor-specific. The first bytes of each turn that it sends count its turns, from 0 on; what it is sent it counts and drops.</remarks>
public sealed class IsochronousDevice : StandardDevice
{
    private const byte InEndpoint = 0x81;
    private const byte OutEndpoint = 0x01;

    private readonly IReadOnlyList<IsochronousSetting> _settings;
    private int _packetsLeft;

    /// <summary>A high-speed device.</summary>
    /// <param name="settings">Its settings from the second one on, 1 to 128; the first one moves nothing.</param>
    public IsochronousDevice(params IReadOnlyList<IsochronousSetting> settings)
        : this(UsbSpeed.High, settings)
    {
    }

    /// <summary>A device of some speed.</summary>
    /// <param name="speed">High or full.</param>
    /// <param name="settings">Its settings from the second one on, 1 to 128; the first one moves nothing. At full speed a turn is a packet of 1023 bytes at most, and intervals count frames.</param>
    public IsochronousDevice(UsbSpeed speed, params IReadOnlyList<IsochronousSetting> settings)
        : base(speed, Describe(settings)) => _settings = settings;

    /// <summary>Turns in which it sent, since its setting was chosen.</summary>
    public uint TurnsSent { get; private set; }

    /// <summary>Packets that it took, since its setting was chosen.</summary>
    public uint PacketsTaken { get; private set; }

    /// <summary>The setting that is in use; 0 moves nothing.</summary>
    public int Setting => AlternateOf(0);

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        PacketsTaken++;
        return UsbReply.Ack;
    }

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        IsochronousSetting setting = _settings[Setting - 1];
        Span<byte> data = packet[..setting.PacketBytes];
        data.Fill((byte)TurnsSent);
        if (_packetsLeft == 0)
        {
            _packetsLeft = setting.Packets;
            Span<byte> count = [(byte)TurnsSent, (byte)(TurnsSent >> 8), (byte)(TurnsSent >> 16), (byte)(TurnsSent >> 24)];
            count[..Math.Min(count.Length, data.Length)].CopyTo(data);
        }

        _packetsLeft--;
        TurnsSent += _packetsLeft == 0 ? 1u : 0;
        return UsbReply.Data(_packetsLeft switch { 0 => UsbPid.Data0, 1 => UsbPid.Data1, _ => UsbPid.Data2 }, data.Length);
    }

    /// <inheritdoc/>
    protected override void OnConfigured() => Begin();

    /// <inheritdoc/>
    protected override void OnInterfaceSet(int number) => Begin();

    private void Begin() => (_packetsLeft, TurnsSent, PacketsTaken) = (0, 0, 0);

    private static DescriptorSet Describe(IReadOnlyList<IsochronousSetting> settings)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)settings.Count - 1, 127u, nameof(settings));
        InterfaceDescriptor face = new() { Class = DeviceClass.VendorSpecific };
        ConfigurationBuilder builder = new ConfigurationBuilder(new() { Value = 1, SelfPowered = true }).Interface(face);
        for (int number = 1; number <= settings.Count; number++)
        {
            IsochronousSetting setting = settings[number - 1];
            setting.Check(nameof(settings));
            builder = builder.Interface(face with { AlternateSetting = (byte)number }).Endpoint(new()
            {
                Address = setting.In ? InEndpoint : OutEndpoint,
                TransferType = TransferType.Isochronous,
                MaxPacketSize = setting.PacketBytes,
                AdditionalTransactions = setting.Packets - 1,
                Interval = setting.Interval,
            });
        }

        return new(new DeviceDescriptor { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = 0x1209, ProductId = 0x000A }, [builder.ToArray()], []);
    }
}
