using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>When packets of streams of <see cref="CountingDevice"/>s went over a bus.</summary>
internal sealed class StreamWatch : IPacketObserver
{
    private readonly UsbBus _bus;
    private readonly EventLoop _loop;
    private readonly Dictionary<IUsbDevice, List<ulong>> _times;
    private readonly IPacketObserver? _next;

    private StreamWatch(UsbBus bus, EventLoop loop, Dictionary<IUsbDevice, List<ulong>> times)
    {
        (_bus, _loop, _times, _next) = (bus, loop, times, bus.Observer);
        bus.Observer = this;
    }

    /// <summary>Watches buses; who watched them before goes on.</summary>
    /// <returns>The times of each device, in nanoseconds.</returns>
    public static IReadOnlyDictionary<IUsbDevice, List<ulong>> Watch(IEnumerable<UsbBus> buses, EventLoop loop)
    {
        Dictionary<IUsbDevice, List<ulong>> times = [];
        foreach (UsbBus bus in buses)
            _ = new StreamWatch(bus, loop, times);
        return times;
    }

    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        if (CountingDevice.IsStream(token.Endpoint) && dataPid != UsbPid.None && _bus.Find(token.Address) is { } device)
        {
            if (!_times.TryGetValue(device, out List<ulong>? times))
                _times.Add(device, times = []);
            times.Add(_loop.NowNs);
        }

        _next?.Transaction(token, dataPid, data, handshake);
    }

    public void EndpointReady(in UsbToken endpoint) => _next?.EndpointReady(endpoint);

    public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome) => _next?.TransferEnded(token, type, outcome);
}
