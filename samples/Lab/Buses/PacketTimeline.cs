using System.Globalization;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Draws packets of a controller into a timeline, on a line of the bus for each VM, and where the controller ends transfers.</summary>
/// <param name="timeline">The timeline.</param>
/// <param name="names">What the VMs are called, by number.</param>
internal sealed class PacketTimeline(Timeline timeline, IReadOnlyList<string> names)
{
    private readonly TimelineTrack[] _bus = [.. names.Select(name => timeline.Track("bus", name))];
    private readonly TimelineTrack _transfers = timeline.Track("controller", "transfers");

    /// <summary>A packet of a VM, and what belongs to it.</summary>
    /// <param name="number">Which VM, from 0 on.</param>
    /// <param name="token">The token.</param>
    /// <param name="startNs">When it began.</param>
    /// <param name="wireNs">How long it had the bus.</param>
    public void Packet(int number, in UsbToken token, ulong startNs, uint wireNs) =>
        timeline.Slice(_bus[number], string.Create(CultureInfo.InvariantCulture, $"{token.Pid} address {token.Address} endpoint {token.Endpoint}"), startNs, wireNs);

    /// <summary>The controller ended a transfer.</summary>
    /// <param name="token">The token of its last transaction.</param>
    /// <param name="type">Which kind of transfer.</param>
    /// <param name="outcome">How it ended.</param>
    /// <param name="nowNs">When.</param>
    public void Ended(in UsbToken token, TransferType type, TransferOutcome outcome, ulong nowNs) => timeline.Instant(
        _transfers,
        string.Create(CultureInfo.InvariantCulture, $"{type} address {token.Address} endpoint {token.Endpoint}"),
        nowNs,
        ("outcome", outcome.ToString()));
}
