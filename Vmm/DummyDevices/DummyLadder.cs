using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The settings of a dummy device: each reserves a little more of every microframe than the one before.</summary>
/// <remarks>
/// Steps are of equal length, so that no more than one of them is reserved in vain for each device, large or small. One
/// isochronous endpoint reaches as far as 60 µs; above that a setting has two, one in each direction.
/// </remarks>
public static class DummyLadder
{
    /// <summary>From one setting to the next, in nanoseconds.</summary>
    public const uint StepNs = 1_500;

    /// <summary>How many settings there are besides the first, which reserves nothing.</summary>
    public const int StepCount = 64;

    private const int PacketBytesMax = 1024;
    private const int TransactionsMax = 3;
    private const byte Value = 1;
    private const byte NoticeEndpoint = 0x81;
    private const byte InEndpoint = 0x82;
    private const byte OutEndpoint = 0x02;

    // A notice may wait for 2 to the interval less one microframes: a millisecond.
    private const byte NoticeInterval = 4;

    private static readonly int[] s_bytes = [.. Enumerable.Range(0, StepCount + 1).Select(Bytes)];

    /// <summary>The most that can be reserved, in nanoseconds of each microframe.</summary>
    public static uint NsMax => TimeOf(StepCount);

    /// <summary>The descriptors of a dummy device.</summary>
    public static DescriptorSet Descriptors { get; } = new(
        new DeviceDescriptor { UsbVersion = 0x0200, MaxPacketSize0 = 64, VendorId = DummyInterface.VendorId, ProductId = DummyInterface.ProductId },
        [Configuration()],
        []);

    /// <summary>What a setting reserves of each microframe, in nanoseconds, as hosts reckon.</summary>
    /// <param name="setting">0 to <see cref="StepCount"/>.</param>
    public static uint TimeOf(int setting) => setting == 0 ? 0 : (uint)EndpointsOf(setting) * TransactionTime.HighSpeedIsochronous(Payload(s_bytes[setting]));

    /// <summary>The first setting that reserves enough.</summary>
    /// <param name="needNs">Nanoseconds of each microframe.</param>
    /// <returns>Null where none does.</returns>
    public static int? SettingFor(uint needNs)
    {
        for (int setting = 0; setting <= StepCount; setting++)
        {
            if (TimeOf(setting) >= needNs)
                return setting;
        }

        return null;
    }

    private static int EndpointsOf(int setting) => IsPair(setting) ? 2 : 1;

    private static bool IsPair(int setting) => setting * StepNs > TransactionTime.HighSpeedIsochronous(TransactionsMax * PacketBytesMax);

    // The most bytes that an endpoint can have within its part of a setting.
    private static int Bytes(int setting)
    {
        uint ns = (uint)setting * StepNs / (uint)EndpointsOf(setting);
        int bytes = 0;
        while (setting != 0 && Payload(bytes + 1) <= TransactionsMax * PacketBytesMax && TransactionTime.HighSpeedIsochronous(Payload(bytes + 1)) <= ns)
            bytes++;
        return bytes;
    }

    private static int Transactions(int bytes) => (bytes + PacketBytesMax - 1) / PacketBytesMax;

    // Packets of a microframe have the same length.
    private static int Packet(int bytes) => (bytes + Transactions(bytes) - 1) / Math.Max(Transactions(bytes), 1);

    private static int Payload(int bytes) => Transactions(bytes) * Packet(bytes);

    private static byte[] Configuration()
    {
        ConfigurationBuilder builder = new ConfigurationBuilder(new() { Value = Value, SelfPowered = true })
            .Interface(Face(DummyInterface.Notices, 0))
            .Endpoint(new() { Address = NoticeEndpoint, TransferType = TransferType.Interrupt, MaxPacketSize = ReservationNotice.Size, Interval = NoticeInterval })
            .Interface(Face(DummyInterface.Reservation, 0));
        for (int setting = 1; setting <= StepCount; setting++)
        {
            builder = builder.Interface(Face(DummyInterface.Reservation, setting)).Endpoint(Endpoint(InEndpoint, s_bytes[setting]));
            if (IsPair(setting))
                builder = builder.Endpoint(Endpoint(OutEndpoint, s_bytes[setting]));
        }

        return builder.ToArray();
    }

    private static InterfaceDescriptor Face(byte number, int setting) => new()
    {
        Number = number,
        AlternateSetting = (byte)setting,
        Class = DeviceClass.VendorSpecific,
        Subclass = DummyInterface.Subclass,
    };

    private static EndpointDescriptor Endpoint(byte address, int bytes) => new()
    {
        Address = address,
        TransferType = TransferType.Isochronous,
        MaxPacketSize = Packet(bytes),
        AdditionalTransactions = Transactions(bytes) - 1,
        Interval = 1,
    };
}
