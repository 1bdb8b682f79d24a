using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>A device that is not there: it stands in one VM for a device of another, and asks its driver to reserve the bus time which that one has.</summary>
/// <remarks>
/// What the driver does is to choose a setting; data is never moved. A notice that was not fetched yet gives way to the
/// next one: the last one is what counts.
/// </remarks>
/// <param name="changed">Raised when its driver came, chose a setting, or refused to; and when it went.</param>
/// <param name="conduct">Where it is noted how drivers behave; null for nowhere.</param>
public sealed class DummyDevice(Signal changed, DummyConduct? conduct = null) : StandardDevice(UsbSpeed.High, DummyLadder.Descriptors)
{
    // A driver that has no time may have to give back what it had, and then refuses.
    private const int AnswersOfNotice = 2;

    private ushort? _fetched;
    private int _answersLeft;
    private ReservationNotice? _notice;

    /// <summary>Whether a driver has it: one chose a setting, be it the first.</summary>
    public bool IsBound { get; private set; }

    /// <summary>What its setting reserves, in nanoseconds of each microframe.</summary>
    public uint ReservedNs => DummyLadder.TimeOf(AlternateOf(DummyInterface.Reservation));

    /// <summary>The number of the last notice that the driver has no time for; it refuses none but the last that it fetched.</summary>
    public ushort? RefusedNumber { get; private set; }

    /// <summary>Notices that a driver fetched.</summary>
    public ulong NoticesFetched { get; private set; }

    /// <summary>Requests of a driver: settings that it chose, and refusals.</summary>
    public ulong Answers { get; private set; }

    /// <summary>Has something to tell the driver.</summary>
    public void Notify(ReservationNotice notice) => _notice = notice;

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => UsbReply.Ack;

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (endpoint.TransferType == TransferType.Isochronous)
            return UsbReply.Data(UsbPid.Data0, 0);
        if (_notice is not { } notice)
            return UsbReply.Nak;
        Packed.Write(notice, packet[..ReservationNotice.Size]);
        return UsbReply.Data(endpoint.Toggle, ReservationNotice.Size);
    }

    /// <inheritdoc/>
    protected override void OnAcknowledged(DeviceEndpoint endpoint)
    {
        (_fetched, _answersLeft) = (_notice?.Number, AnswersOfNotice);
        _notice = null;
        NoticesFetched++;
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        bool isRefusal = setup is { Type: RequestType.Vendor, Request: DummyInterface.Refuse, Length: 0, Index: DummyInterface.Reservation };
        if (!isRefusal || !IsBound)
            return Refused;
        if (setup.Value != _fetched)
        {
            conduct?.WasUnasked();
            return Refused;
        }

        RefusedNumber = setup.Value;
        Answered();
        return 0;
    }

    /// <inheritdoc/>
    protected override void OnInterfaceSet(int number)
    {
        if (number != DummyInterface.Reservation)
            return;
        _answersLeft += IsBound ? 0 : 1;
        IsBound = true;
        Answered();
    }

    /// <inheritdoc/>
    protected override void OnConfigured()
    {
        (IsBound, RefusedNumber, _notice, _fetched, _answersLeft) = (false, null, null, null, 0);
        changed.Raise();
    }

    private void Answered()
    {
        Answers++;
        if (--_answersLeft < 0)
            conduct?.WasUnasked();
        changed.Raise();
    }
}
