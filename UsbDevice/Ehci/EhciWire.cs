using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The bus as one register set speaks on it.</summary>
/// <param name="bus">The bus.</param>
internal sealed class EhciWire(UsbBus bus)
{
    /// <summary>Whether anybody watches the bus.</summary>
    public bool IsWatched => bus.Observer is not null;

    /// <inheritdoc cref="UsbBus.PortOf"/>
    public UsbPort? PortOf(byte address) => bus.PortOf(address);

    /// <inheritdoc cref="UsbBus.Out"/>
    public UsbReply Out(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data) => bus.Out(token, dataPid, data);

    /// <inheritdoc cref="UsbBus.In"/>
    public UsbReply In(in UsbToken token, Span<byte> packet) => bus.In(token, packet);

    /// <inheritdoc cref="UsbBus.EndIn"/>
    public void EndIn(in UsbToken token, UsbReply reply, ReadOnlySpan<byte> packet, bool acknowledged) =>
        bus.EndIn(token, reply, packet, acknowledged);

    /// <inheritdoc cref="UsbBus.Ping"/>
    public UsbReply Ping(in UsbToken token) => bus.Ping(token);

    /// <inheritdoc cref="UsbBus.EndTransfer"/>
    public void EndTransfer(in UsbToken token, TransferType type, TransferOutcome outcome) => bus.EndTransfer(token, type, outcome);
}
