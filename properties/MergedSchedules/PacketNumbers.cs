using System.Buffers.Binary;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Sees which numbers go over a bus in the first four bytes of packets that are taken, how often and in which order; and what periodic packets take of each microframe (F6).</summary>
/// <remarks>What a device acknowledges and drops since it had it already has been sent all the same.</remarks>
internal sealed class PacketNumbers : IPacketObserver
{
    private readonly UsbBus _bus;
    private readonly EventLoop _loop;
    private readonly Dictionary<uint, int> _counts = [];
    private ulong _microframe;
    private ulong _usedNs;

    /// <summary>Watches a bus.</summary>
    public PacketNumbers(UsbBus bus, EventLoop loop)
    {
        (_bus, _loop) = (bus, loop);
        bus.Observer = this;
    }

    /// <summary>What periodic packets took of the fullest microframe, in nanoseconds.</summary>
    public ulong PeriodicNsMax { get; private set; }

    /// <summary>All numbers, in the order in which they came.</summary>
    public List<uint> Came { get; } = [];

    /// <summary>How often a number came.</summary>
    public int CountOf(uint number) => _counts.GetValueOrDefault(number);

    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        bool isStream = token.Endpoint == RecordingDevice.Isochronous;
        if (isStream || token.Endpoint == RecordingDevice.Interrupt)
            AddPeriodic(isStream ? WireTime.HighSpeedIsochronous(data.Length) : WireTime.HighSpeed(data.Length));
        if (token.Endpoint == 0 || (handshake != UsbPid.Ack && !isStream) || data.IsEmpty)
            return;
        uint number = BinaryPrimitives.ReadUInt32LittleEndian(data);
        _counts[number] = CountOf(number) + 1;
        Came.Add(number);
    }

    private void AddPeriodic(uint wireNs)
    {
        ulong microframe = _bus.Frames.Count(_loop.NowNs);
        if (microframe != _microframe)
            (_microframe, _usedNs) = (microframe, 0);
        _usedNs += wireNs;
        PeriodicNsMax = Math.Max(PeriodicNsMax, _usedNs);
    }
}
