using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Adds up what the packets of a high-speed bus take of each microframe (U5), and what those of periodic endpoints take.</summary>
internal sealed class MicroframeWatch : IPacketObserver
{
    /// <summary>What periodic endpoints may take of a microframe, in nanoseconds: 80 % (USB 2.0, bus access constraints).</summary>
    public const ulong PeriodicNs = 100_000;

    private readonly UsbBus _bus;
    private readonly EventLoop _loop;
    private readonly IPacketObserver? _next;
    private ulong _microframe;
    private ulong _usedNs;
    private ulong _periodicNs;

    /// <summary>Watches a bus; who watched it before goes on.</summary>
    public MicroframeWatch(UsbBus bus, EventLoop loop)
    {
        (_bus, _loop, _next) = (bus, loop, bus.Observer);
        bus.Observer = this;
    }

    /// <summary>What packets took of the fullest microframe, in nanoseconds, the time included in which nobody answered.</summary>
    public ulong UsedNsMax { get; private set; }

    /// <summary>What packets of periodic endpoints of a <see cref="CountingDevice"/> took of the microframe that had most of them, in nanoseconds.</summary>
    public ulong PeriodicNsMax { get; private set; }

    /// <summary>Watches the high-speed buses of a controller.</summary>
    /// <param name="controller">EHCI or xHCI; anything else has none.</param>
    /// <param name="loop">The time.</param>
    public static IEnumerable<MicroframeWatch> Of(PciFunction? controller, EventLoop loop) => controller switch
    {
        EhciController ehci => [new(ehci.Usb, loop)],
        XhciController xhci => xhci.Buses.Where(static bus => bus.Speed == UsbSpeed.High).Select(bus => new MicroframeWatch(bus, loop)),
        _ => [],
    };

    /// <summary>Looks whether each microframe had time for what was sent in it.</summary>
    public void Check()
    {
        Assert.InRange(UsedNsMax, 0ul, WireTime.MicroframeNs);
        Assert.InRange(PeriodicNsMax, 0ul, PeriodicNs);
    }

    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        ulong microframe = _bus.Frames.Count(_loop.NowNs);
        if (microframe != _microframe)
            (_microframe, _usedNs, _periodicNs) = (microframe, 0, 0);
        bool isAnswered = dataPid != UsbPid.None || handshake != UsbPid.None;
        ulong ns = isAnswered ? WireTime.HighSpeed(data.Length) : WireTime.HighSpeedUnanswered(data.Length);
        _usedNs += ns;
        _periodicNs += CountingDevice.IsPeriodic(token.Endpoint) ? ns : 0;
        (UsedNsMax, PeriodicNsMax) = (Math.Max(UsedNsMax, _usedNs), Math.Max(PeriodicNsMax, _periodicNs));
        _next?.Transaction(token, dataPid, data, handshake);
    }

    public void EndpointReady(in UsbToken endpoint) => _next?.EndpointReady(endpoint);

    public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome) => _next?.TransferEnded(token, type, outcome);
}
