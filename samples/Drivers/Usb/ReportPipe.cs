using Dma.Hal;

namespace Dma.Drivers;

/// <summary>An interrupt endpoint that sends reports, with memory for one of them: nothing is mapped for each.</summary>
internal sealed class ReportPipe
{
    private readonly UsbDeviceHandle _device;
    private readonly UsbEndpoint _endpoint;
    private readonly IUsbPipe _pipe;
    private readonly CoherentBuffer _buffer;

    private ReportPipe(UsbDeviceHandle device, UsbEndpoint endpoint, IUsbPipe pipe, CoherentBuffer buffer) =>
        (_device, _endpoint, _pipe, _buffer) = (device, endpoint, pipe, buffer);

    /// <summary>Opens the endpoint.</summary>
    /// <exception cref="DriverException">Its descriptor makes no sense, there is no bandwidth for it, or no memory.</exception>
    public static async ValueTask<ReportPipe> Open(UsbDeviceHandle device, UsbEndpoint endpoint)
    {
        IUsbPipe pipe = await device.Open(endpoint);
        try
        {
            return new(device, endpoint, pipe, await device.Controller.Memory.AllocateCoherent(endpoint.Descriptor.MaxPacketSize));
        }
        catch (InvalidOperationException refusal)
        {
            await pipe.Close();
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for reports: {refusal.Message}");
        }
    }

    /// <summary>Waits for a report.</summary>
    /// <param name="report">Where it goes; bytes that do not come are zero, bytes that do not fit are lost.</param>
    /// <param name="timeoutNs">How long at most, in nanoseconds; <see cref="ulong.MaxValue"/> for no end.</param>
    /// <returns>How many bytes came; negative where time ran out, or the pipe was closed.</returns>
    /// <exception cref="DriverException">The device does not answer any more.</exception>
    public async ValueTask<int> Read(Memory<byte> report, ulong timeoutNs)
    {
        TransferResult result = await _pipe.Transfer(_buffer.Mapping, timeoutNs);
        if (result.Status == TransferStatus.Stalled)
        {
            TransferResult cleared = await _device.ClearHalt(_pipe, _endpoint.Address);
            if (!cleared.IsCompleted)
                throw new DriverException(cleared.Failure, $"The halt of endpoint {_endpoint.Descriptor.Number} could not be cleared: {cleared.Status}.");
            result = await _pipe.Transfer(_buffer.Mapping, timeoutNs);
        }

        if (result.Status is TransferStatus.TimedOut or TransferStatus.Canceled)
            return -1;
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"A report of endpoint {_endpoint.Descriptor.Number} ended as {result.Status}.");
        report.Span.Clear();
        int bytes = Math.Min(result.Bytes, report.Length);
        _buffer.Memory.Read(0, report.Span[..bytes]);
        return bytes;
    }

    /// <summary>Closes the endpoint; a wait for a report ends.</summary>
    public async ValueTask Close()
    {
        await _pipe.Close();
        (await _device.Controller.Memory.FreeCoherent(_buffer)).Require("free the memory of reports");
    }
}
