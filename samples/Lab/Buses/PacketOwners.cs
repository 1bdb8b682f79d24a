using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Sees every packet of a controller that knows nothing of VMs, and says whose it is: that of the VM whose device is spoken to.</summary>
/// <param name="loop">Whose time it is.</param>
/// <param name="account">Who keeps account of it; null for nobody.</param>
internal sealed class PacketOwners(EventLoop loop, IBusShareObserver? account)
{
    private readonly Dictionary<IUsbDevice, (int Number, bool IsPeriodic)> _owners = [];

    /// <summary>Who draws the packets, or null.</summary>
    public PacketTimeline? Timeline { get; set; }

    /// <summary>A device is that of a VM.</summary>
    /// <param name="device">The device.</param>
    /// <param name="number">Which VM, from 0 on.</param>
    /// <param name="isPeriodic">Whether its endpoints, beside endpoint 0, are periodic.</param>
    public void Add(IUsbDevice device, int number, bool isPeriodic = false) => _owners[device] = (number, isPeriodic);

    /// <summary>Sees the packets of a bus from here on.</summary>
    public void Watch(UsbBus bus) => bus.Observer = new Watcher(this, bus);

    private void Seen(UsbBus bus, in UsbToken token, UsbPid dataPid, int bytes, UsbPid handshake)
    {
        // What does not come from one device is nobody's.
        if (bus.Find(token.IsSplit ? token.Split.HubAddress : token.Address) is not { } device || !_owners.TryGetValue(device, out (int Number, bool IsPeriodic) owner))
            return;
        bool isPeriodic = owner.IsPeriodic && token.Endpoint != 0;
        bool isAnswered = token.IsSplit || dataPid != UsbPid.None || handshake != UsbPid.None;
        uint ns = (device.Speed, isAnswered) switch
        {
            (UsbSpeed.Super, _) => WireTime.SuperSpeed(bytes),
            (UsbSpeed.High, false) => WireTime.HighSpeedUnanswered(bytes),
            (UsbSpeed.High, true) => isPeriodic && handshake == UsbPid.None ? WireTime.HighSpeedIsochronous(bytes) : WireTime.HighSpeed(bytes),
            (UsbSpeed.Low, _) => WireTime.LowSpeed(bytes, token.Pid == UsbPid.In),
            (_, false) => WireTime.FullSpeedUnanswered(bytes),
            _ => WireTime.FullSpeed(bytes),
        };
        Timeline?.Packet(owner.Number, token, loop.NowNs, ns);
        account?.BusUsed(new(owner.Number, loop.NowNs, ns, isPeriodic));
    }

    private sealed class Watcher(PacketOwners owners, UsbBus bus) : IPacketObserver
    {
        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake) =>
            owners.Seen(bus, token, dataPid, data.Length, handshake);

        public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome) =>
            owners.Timeline?.Ended(token, type, outcome, owners.Now);
    }

    private ulong Now => loop.NowNs;
}
