using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>A host controller as drivers of devices see it, with each completed transfer written down; nothing else changes.</summary>
/// <param name="inner">The controller.</param>
/// <param name="log">Where transfers are written down.</param>
internal sealed class WatchedUsb(IUsbHostController inner, TransferLog log) : IUsbHostController
{
    public IUsbHostController Controller => this;

    public IDmaSpace Memory => inner.Memory;

    public Processor Processor => inner.Processor;

    public bool HasStopped => inner.HasStopped;

    public Gate AddressZero => inner.AddressZero;

    public int PortCount => inner.PortCount;

    public ValueTask<UsbLocation> ResetPort(int port) => inner.ResetPort(port);

    public async ValueTask<IUsbConnection> Connect(UsbLocation location) => new Connection(await inner.Connect(location), this, log);

    public ValueTask Stop() => inner.Stop();

    private sealed class Connection(IUsbConnection inner, WatchedUsb owner, TransferLog log) : IUsbConnection
    {
        public UsbLocation Location => inner.Location;

        public int Number => inner.Number;

        public IUsbControlPipe Control => new ControlPipe(inner.Control, owner, log);

        public ValueTask SetControlPacketSize(int bytes) => inner.SetControlPacketSize(bytes);

        public ValueTask GiveAddress() => inner.GiveAddress();

        public ValueTask BecomeHub(int ports, bool hasTranslatorPerPort, int thinkTime) => inner.BecomeHub(ports, hasTranslatorPerPort, thinkTime);

        public async ValueTask<IUsbPipe> Open(UsbEndpoint endpoint) => new Pipe(await inner.Open(endpoint), owner, log);

        public async ValueTask<IUsbIsochronousPipe> OpenIsochronous(UsbEndpoint endpoint) => new IsochronousPipe(await inner.OpenIsochronous(endpoint), owner, log);

        public ValueTask Release() => inner.Release();
    }

    private sealed class ControlPipe(IUsbControlPipe inner, WatchedUsb owner, TransferLog log) : IUsbControlPipe
    {
        public async ValueTask<TransferResult> Request(SetupPacket setup, DmaMapping data, ulong timeoutNs)
        {
            log.Begin(setup.Length);
            ulong startNs = owner.Processor.NowNs;
            TransferResult result = await inner.Request(setup, data, timeoutNs);
            log.End(startNs, owner.Processor.NowNs, result.IsCompleted ? result.Bytes : null);
            return result;
        }
    }

    private sealed class Pipe(IUsbPipe inner, WatchedUsb owner, TransferLog log) : IUsbPipe
    {
        public async ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs)
        {
            log.Begin(data.Length);
            ulong startNs = owner.Processor.NowNs;
            TransferResult result = await inner.Transfer(data, timeoutNs);
            log.End(startNs, owner.Processor.NowNs, result.IsCompleted ? result.Bytes : null);
            return result;
        }

        public void Cancel() => inner.Cancel();

        public ValueTask Restart() => inner.Restart();

        public ValueTask Close() => inner.Close();
    }

    private sealed class IsochronousPipe(IUsbIsochronousPipe inner, WatchedUsb owner, TransferLog log) : IUsbIsochronousPipe
    {
        public ulong IntervalNs => inner.IntervalNs;

        public int PacketBytesMax => inner.PacketBytesMax;

        public int PacketMultiple => inner.PacketMultiple;

        public int PacketsMax => inner.PacketsMax;

        public async ValueTask<IsochronousResult> Transfer(DmaMapping data, IsochronousPacket[] packets)
        {
            log.Begin(packets.Sum(packet => packet.Length));
            ulong startNs = owner.Processor.NowNs;
            IsochronousResult result = await inner.Transfer(data, packets);
            log.End(startNs, owner.Processor.NowNs, result.Status == TransferStatus.Completed ? packets.Sum(packet => packet.Moved) : null);
            return result;
        }

        public ValueTask Close() => inner.Close();
    }
}
