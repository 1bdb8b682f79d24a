using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A device of a host whose stack says of vendor requests that all bytes came, when none did.</summary>
internal sealed class BoastfulDevice(IHostUsbDevice inner) : IHostUsbDevice
{
    public string Name => inner.Name;

    public IUsbStack Controller => inner.Controller;

    public UsbSpeed Speed => inner.Speed;

    public ValueTask<bool> LogOut() => inner.LogOut();

    public ValueTask<bool> Reset() => inner.Reset();

    public ValueTask<bool> LogIn() => inner.LogIn();

    public TransferType? TypeOf(byte endpoint) => inner.TypeOf(endpoint);

    public int PacketBytesOf(byte endpoint) => inner.PacketBytesOf(endpoint);

    public (ulong IntervalNs, int PacketMultiple, int PacketBytesMax) RhythmOf(byte endpoint) => inner.RhythmOf(endpoint);

    public ValueTask<HostUsbResult> Request(SetupPacket setup, HostUsbBuffer? data) =>
        setup.Type == RequestType.Vendor ? new(new HostUsbResult(HostUsbStatus.Completed, setup.Length)) : inner.Request(setup, data);

    public ValueTask<HostUsbResult> Transfer(byte endpoint, HostUsbBuffer data) => inner.Transfer(endpoint, data);

    public ValueTask<HostUsbResult> TransferPackets(byte endpoint, HostUsbBuffer data, HostUsbPacket[] packets) => inner.TransferPackets(endpoint, data, packets);

    public void Cancel(byte endpoint) => inner.Cancel(endpoint);
}
