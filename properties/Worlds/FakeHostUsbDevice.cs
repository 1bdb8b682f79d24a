using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A device with an endpoint of each kind, which does whatever chance says.</summary>
/// <param name="stack">The stack.</param>
/// <param name="loop">Virtual time.</param>
/// <param name="seed">What chance comes from.</param>
/// <param name="mark">The byte that all of its data is made of.</param>
/// <param name="sent">Told of what it is sent; null for nobody.</param>
internal sealed class FakeHostUsbDevice(FakeHostUsb stack, EventLoop loop, int seed, byte mark, Action<byte[]>? sent = null) : IHostUsbDevice
{
    private readonly Random _random = new(seed);
    private int _canceled;

    public string Name => "a device of chance";

    public IUsbStack Controller => stack;

    public UsbSpeed Speed => UsbSpeed.High;

    /// <summary>How often it was asked for anything, by the kind of transfer.</summary>
    public int[] CallsOf { get; } = new int[4];

    /// <summary>How often it was asked for anything.</summary>
    public int Calls => CallsOf.Sum();

    public ValueTask<bool> LogOut() => new(true);

    public ValueTask<bool> Reset() => new(true);

    public ValueTask<bool> LogIn() => new(true);

    public TransferType? TypeOf(byte endpoint) => endpoint switch
    {
        0x81 or 0x02 => TransferType.Bulk,
        0x83 => TransferType.Interrupt,
        0x04 or 0x85 => TransferType.Isochronous,
        _ => null,
    };

    public int PacketBytesOf(byte endpoint) => endpoint == 0 ? 64 : TypeOf(endpoint) is null ? 0 : 512;

    public (ulong IntervalNs, int PacketMultiple, int PacketBytesMax) RhythmOf(byte endpoint) => (125_000, 1, 512);

    public ValueTask<HostUsbResult> Request(SetupPacket setup, HostUsbBuffer? data) =>
        Answer(TransferType.Control, data, setup.In, setup.Length);

    public ValueTask<HostUsbResult> Transfer(byte endpoint, HostUsbBuffer data) =>
        Answer(TypeOf(endpoint)!.Value, data, (endpoint & 0x80) != 0, data.Length);

    public async ValueTask<HostUsbResult> TransferPackets(byte endpoint, HostUsbBuffer data, HostUsbPacket[] packets)
    {
        CallsOf[(int)TransferType.Isochronous]++;
        await loop.Delay((ulong)_random.Next(1_000_000));
        for (int index = 0; index < packets.Length; index++)
        {
            HostUsbPacket packet = packets[index];
            stack.Demand(packet.Offset >= 0 && packet.Length >= 0 && packet.Offset + packet.Length <= data.Length, $"{packet} leaves its buffer of {data.Length} bytes.");
            packets[index].Moved = _random.Next(packet.Length + 1);
            packets[index].Status = (HostUsbStatus)_random.Next(8);
            Move(data, packet.Offset, packets[index].Moved, (endpoint & 0x80) != 0);
        }

        return new(HostUsbStatus.Completed, 0);
    }

    public void Cancel(byte endpoint) => _canceled++;

    private async ValueTask<HostUsbResult> Answer(TransferType type, HostUsbBuffer? data, bool isIn, int length)
    {
        CallsOf[(int)type]++;
        stack.Demand(length == 0 ? data is null : data?.Length >= length, $"{length} bytes are asked for, and there is room for {data?.Length}.");
        int canceled = _canceled;
        int steps = _random.Next(1, 20);
        for (int step = 0; step < steps && canceled == _canceled; step++)
            await loop.Delay(50_000);
        int bytes = _random.Next(length + 1);
        if (data is not null)
            Move(data, 0, bytes, isIn);

        // Now and then it fails, and a stack that is wrong about how much came must not hurt either.
        bool isFailed = canceled == _canceled && _random.Next(3) == 0;
        HostUsbStatus status = canceled != _canceled ? HostUsbStatus.Canceled : isFailed ? (HostUsbStatus)_random.Next(1, 8) : HostUsbStatus.Completed;
        return new(status, _random.Next(8) == 0 ? length + 100 : bytes);
    }

    private void Move(HostUsbBuffer data, int offset, int bytes, bool isIn)
    {
        if (offset + bytes > data.Length)
            return;
        if (isIn)
            stack.Fill(data, offset, bytes, mark);
        else
            sent?.Invoke(stack.Read(data, offset, bytes));
    }
}
