using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Plays rows of isochronous packets by a front end that keeps some of them under way, and measures how long rows take to and from the service VM.</summary>
/// <param name="machine">The computer.</param>
/// <param name="guest">Which VM.</param>
internal sealed class LookAheadProbe(ServiceMachine machine, int guest) : IUrbWatch
{
    private const int Rows = 64;

    private readonly Queue<ulong> _asked = new();
    private readonly Queue<ulong> _completed = new();
    private bool _isMeasured;
    private ulong _submitNsMin = ulong.MaxValue;
    private ulong _submitNsMax;
    private ulong _answerNsMax;

    /// <inheritdoc/>
    public void Reached(int frontEnd, ushort id, UrbStage stage)
    {
        if (!_isMeasured || frontEnd != guest)
            return;
        ulong nowNs = machine.Host.Loop.NowNs;
        if (stage == UrbStage.Submitted && _asked.TryDequeue(out ulong askedNs))
            (_submitNsMin, _submitNsMax) = (Math.Min(_submitNsMin, nowNs - askedNs), Math.Max(_submitNsMax, nowNs - askedNs));
        else if (stage == UrbStage.Completed)
            _completed.Enqueue(nowNs);
    }

    /// <summary>Plays with each of some depths.</summary>
    /// <param name="usb">The controller of the front end.</param>
    /// <param name="port">Where a speaker is.</param>
    /// <param name="depthMax">The deepest.</param>
    /// <returns>What came of each, from one row on.</returns>
    /// <exception cref="DriverException">A driver gave up.</exception>
    public async Task<LookAheadReport> Play(IUsbHostController usb, int port, int depthMax)
    {
        UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(usb, port);
        UsbInterface setting = device.Configuration.Interfaces.First(face => face.Endpoints.Any(IsStream));
        IUsbIsochronousPipe pipe = await device.Connection.OpenIsochronous(setting.Endpoints.First(IsStream));
        await device.SetInterface(setting.Descriptor.Number, setting.Descriptor.AlternateSetting);
        CoherentBuffer buffer = await usb.Memory.AllocateCoherent(pipe.PacketBytesMax * pipe.PacketMultiple);
        List<LookAheadDepth> depths = [];
        for (int depth = depthMax; depth >= 1; depth--)
        {
            (ulong inTime, ulong expired, ulong blanks) = machine.BackEnd.RowsOf(guest);

            // What is late waits for others: how long the way is shows where nothing is.
            _isMeasured = depth == depthMax;
            await Play(usb, pipe, buffer, depth);
            (ulong InTime, ulong Expired, ulong Blanks) after = machine.BackEnd.RowsOf(guest);
            depths.Insert(0, new(depth, after.InTime - inTime, after.Expired - expired, after.Blanks - blanks));
        }

        await pipe.Close();
        _ = await usb.Memory.FreeCoherent(buffer);
        ulong rowNs = pipe.IntervalNs * (ulong)pipe.PacketMultiple;

        // Chance may have spared the rows that were measured.
        ulong submitNs = Math.Max(_submitNsMax, _submitNsMin + machine.JitterNsMax);
        return new(rowNs, submitNs, _answerNsMax, ServiceBackEnd.RowsAheadOf(rowNs), depths);
    }

    private static bool IsStream(UsbEndpoint endpoint) => endpoint.Descriptor.TransferType == TransferType.Isochronous;

    private async Task Play(IUsbHostController usb, IUsbIsochronousPipe pipe, CoherentBuffer buffer, int depth)
    {
        Queue<Task<IsochronousResult>> rows = new();
        for (int row = 0; row < Rows + depth; row++)
        {
            if (rows.Count == depth || row >= Rows)
                await End(usb, rows.Dequeue());
            if (row < Rows)
                rows.Enqueue(Begin(usb, pipe, buffer));
        }

        while (rows.TryDequeue(out Task<IsochronousResult>? row))
            await End(usb, row);

        // The stream ends before the next one begins.
        _asked.Clear();
        _completed.Clear();
        await usb.Processor.Delay(50_000_000);
    }

    private Task<IsochronousResult> Begin(IUsbHostController usb, IUsbIsochronousPipe pipe, CoherentBuffer buffer)
    {
        _asked.Enqueue(usb.Processor.NowNs);
        IsochronousPacket[] packets = [.. Enumerable.Range(0, pipe.PacketMultiple).Select(index => new IsochronousPacket(index * pipe.PacketBytesMax, pipe.PacketBytesMax))];
        return pipe.Transfer(buffer.Mapping, packets).AsTask();
    }

    private async Task End(IUsbHostController usb, Task<IsochronousResult> row)
    {
        IsochronousResult result = await row;
        if (result.Status != TransferStatus.Completed)
            throw new DriverException(new TransferResult(result.Status, 0).Failure, $"A row ended as {result.Status}.");
        if (_isMeasured && _completed.TryDequeue(out ulong completedNs))
            _answerNsMax = Math.Max(_answerNsMax, usb.Processor.NowNs - completedNs);
    }
}
