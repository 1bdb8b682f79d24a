using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to a bulk or interrupt endpoint: a transfer is as many requests as it needs, made at once.</summary>
/// <remarks>All but the last may not be short: a back end does not begin with one when the one before it ended early.</remarks>
/// <param name="ring">The ring.</param>
/// <param name="device">The device.</param>
/// <param name="endpoint">What the device says of the endpoint.</param>
internal sealed class ParavirtualPipe(ParavirtualRing ring, ParavirtualConnection device, UsbEndpoint endpoint) : IUsbPipe
{
    private readonly Gate _turn = new();
    private bool _isClosed;
    private bool _isCanceled;

    /// <inheritdoc/>
    public async ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, UsbLimits.TransferBytesMax);
        await _turn.Enter();
        try
        {
            _isCanceled = false;
            if (_isClosed)
                return new(TransferStatus.Canceled, 0);
            UrbResponse[] responses = await ring.Submit(RequestsFor(data), timeoutNs, () => _isClosed || _isCanceled);
            return Sum(responses);
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public void Cancel()
    {
        _isCanceled = true;
        ring.WakeAll();
    }

    /// <inheritdoc/>
    /// <remarks>Nothing to do: the host hears that the halt is cleared, and does its part.</remarks>
    public ValueTask Restart() => default;

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        ring.WakeAll();
        await _turn.Enter();
        _turn.Leave();
    }

    private (UrbRequest Request, UrbSegment[] Segments)[] RequestsFor(DmaMapping data)
    {
        List<(UrbRequest, UrbSegment[])> requests = [];
        for (int done = 0; done < data.Length;)
        {
            int length = ParavirtualSegments.Fitting(data, done, endpoint.Descriptor.MaxPacketSize);
            UrbSegment[] segments = ParavirtualSegments.Of(data, done, length);
            done += length;
            requests.Add((
                new()
                {
                    Pipe = device.PipeTo(endpoint.Address, endpoint.Descriptor.TransferType == TransferType.Interrupt ? UrbType.Interrupt : UrbType.Bulk),
                    SegmentCount = (ushort)segments.Length,
                    Length = (ushort)length,
                    ShortNotOk = done < data.Length,
                },
                segments));
        }

        return [.. requests];
    }

    // Up to the first that ended otherwise than it should.
    private TransferResult Sum(UrbResponse[] responses)
    {
        int bytes = 0;
        foreach (UrbResponse response in responses)
        {
            bytes += Math.Clamp(response.ActualLength, 0, ushort.MaxValue);
            if (response.Status == UrbStatus.Short)
                return new(TransferStatus.Completed, bytes);
            if (response.Status == UrbStatus.Ok)
                continue;

            // Taken back since its time was up, and not because somebody wanted it.
            TransferStatus status = ParavirtualSegments.StatusOf(response.Status);
            return new(status == TransferStatus.Canceled && !_isClosed && !_isCanceled ? TransferStatus.TimedOut : status, bytes);
        }

        return new(TransferStatus.Completed, bytes);
    }
}
