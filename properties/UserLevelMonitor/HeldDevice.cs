using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A device of the host whose transfers end when they are told to.</summary>
/// <param name="stack">The stack.</param>
/// <param name="loop">Virtual time.</param>
internal sealed class HeldDevice(FakeHostUsb stack, EventLoop loop) : IHostUsbDevice
{
    private readonly List<Held> _held = [];

    public string Name => "a device that waits";

    public IUsbStack Controller => stack;

    public UsbSpeed Speed => UsbSpeed.High;

    /// <summary>How many transfers wait.</summary>
    public int Waiting => _held.Count;

    public ValueTask<bool> LogOut() => new(true);

    public ValueTask<bool> Reset() => new(true);

    public ValueTask<bool> LogIn() => new(true);

    public TransferType? TypeOf(byte endpoint) => TransferType.Bulk;

    public int PacketBytesOf(byte endpoint) => 512;

    public (ulong IntervalNs, int PacketMultiple, int PacketBytesMax) RhythmOf(byte endpoint) => default;

    public ValueTask<HostUsbResult> Request(SetupPacket setup, HostUsbBuffer? data) => new(new HostUsbResult(HostUsbStatus.Stalled, 0));

    public async ValueTask<HostUsbResult> Transfer(byte endpoint, HostUsbBuffer data)
    {
        Held held = new(endpoint, data, new(loop));
        _held.Add(held);
        _ = await held.Ended.Wait();
        return held.Result;
    }

    public ValueTask<HostUsbResult> TransferPackets(byte endpoint, HostUsbBuffer data, HostUsbPacket[] packets) => new(new HostUsbResult(HostUsbStatus.NoEndpoint, 0));

    public void Cancel(byte endpoint)
    {
        foreach (Held held in _held.FindAll(held => held.Endpoint == endpoint))
            End(held, HostUsbStatus.Canceled, 0);
    }

    /// <summary>The oldest transfer moves its data and ends.</summary>
    /// <param name="value">The byte that comes, where any come.</param>
    /// <returns>What was sent, where the transfer sends.</returns>
    public byte[] Finish(byte value)
    {
        Held held = _held[0];
        byte[] sent = [];
        if ((held.Endpoint & 0x80) != 0)
            stack.Fill(held.Data, 0, held.Data.Length, value);
        else
            sent = stack.Read(held.Data, 0, held.Data.Length);
        End(held, HostUsbStatus.Completed, held.Data.Length);
        return sent;
    }

    private void End(Held held, HostUsbStatus status, int bytes)
    {
        _ = _held.Remove(held);
        held.Result = new(status, bytes);
        held.Ended.Raise();
    }

    private sealed class Held(byte endpoint, HostUsbBuffer data, Signal ended)
    {
        public byte Endpoint => endpoint;

        public HostUsbBuffer Data => data;

        public Signal Ended => ended;

        public HostUsbResult Result { get; set; }
    }
}
