using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An isochronous stream that goes on whatever its front end does: slots ahead of time, blanks where nothing came, and what comes too late is dropped.</summary>
/// <remarks>
/// A row of packets is a slot; the rows of a front end have slots one behind the other. The controller is given so many of
/// them ahead that it needs nothing for a few milliseconds:
///
/// <code>
/// slot      n-1      n       n+1      n+2     n+3
///         on the   queued  queued   queued
///          bus    |&lt;--- the controller -->| filled when slot n-1 is over; blank where nothing came
/// </code>
/// A blank is not sent before it has to be: while what is queued lasts long enough, a row may still come.
/// So a front end has its row there in time when it keeps as many rows under way as pass while one is answered and the next
/// one comes, and as many as the controller is ahead.
/// </remarks>
/// <param name="stack">The stack.</param>
/// <param name="device">The device.</param>
/// <param name="endpoint">bEndpointAddress, of an isochronous endpoint.</param>
internal sealed class LookAheadQueue(IUsbStack stack, IHostUsbDevice device, byte endpoint)
{
    /// <summary>What a driver of a controller wants to be ahead, in nanoseconds.</summary>
    private const ulong AheadNs = 4_000_000;

    private const int RowsAheadMin = 2;

    /// <summary>After so many blanks in a row the stream ends.</summary>
    private const int BlanksMax = 8;

    private readonly Queue<Row> _rows = new();
    private readonly Signal _changed = new(stack.Processor.Loop);
    private ulong _arrived;
    private ulong _sent;
    private ulong _rowNs;
    private ulong _endNs;
    private int _underWay;
    private int _blanksInRow;
    private bool _isRunning;
    private HostUsbBuffer? _blank;
    private HostUsbStatus _end;

    /// <summary>How many slots were blank.</summary>
    public ulong Blanks { get; private set; }

    /// <summary>How many rows came when their slot was over, or with the controller.</summary>
    public ulong Expired { get; private set; }

    /// <summary>How many rows came in time.</summary>
    public ulong InTime { get; private set; }

    /// <summary>How many rows the controller is given ahead.</summary>
    /// <param name="rowNs">How long a row takes, in nanoseconds.</param>
    public static int RowsAhead(ulong rowNs) => Math.Max(RowsAheadMin, (int)((AheadNs + rowNs - 1) / rowNs));

    /// <summary>Moves a row in its slot.</summary>
    /// <param name="data">The data.</param>
    /// <param name="packets">The packets; those of a row that came too late were not moved.</param>
    public async ValueTask<HostUsbResult> Transfer(HostUsbBuffer data, HostUsbPacket[] packets)
    {
        if (!_isRunning)
        {
            (_isRunning, _arrived, _sent, _end) = (true, 0, 0, HostUsbStatus.Completed);
            stack.Processor.Loop.Start(() => Run(packets.Length));
        }

        if (_arrived++ < _sent)
        {
            Expired++;
            return new(HostUsbStatus.Completed, 0);
        }

        Row row = new(data, packets, new(TaskCreationOptions.RunContinuationsAsynchronously));
        _rows.Enqueue(row);
        _changed.Raise();
        return await row.Done!.Task;
    }

    private ulong NowNs => stack.Processor.Loop.NowNs;

    private async Task Run(int packets)
    {
        (ulong intervalNs, _, int bytesMax) = device.RhythmOf(endpoint);
        _rowNs = Math.Max(1, intervalNs * (ulong)packets);
        int ahead = RowsAhead(_rowNs);

        // The first rows come together: a stream does not begin with blanks.
        ulong beginNs = NowNs + _rowNs;
        while (_rows.Count < ahead && NowNs < beginNs)
            _ = await _changed.Wait(beginNs - NowNs);
        _endNs = NowNs;
        while (_end == HostUsbStatus.Completed && (_blanksInRow < BlanksMax || _rows.Count != 0))
        {
            if (_underWay >= ahead)
                _ = await _changed.Wait();
            else if (_rows.TryDequeue(out Row? row))
                Send(row);
            else if (_underWay != 0 && _endNs > NowNs + AheadNs)
                _ = await _changed.Wait(_endNs - NowNs - AheadNs);
            else if (!await TrySendBlank(packets, bytesMax))
                _end = HostUsbStatus.NoAnswer;
        }

        while (_underWay != 0)
            _ = await _changed.Wait();
        while (_rows.TryDequeue(out Row? row))
        {
            // They came when the stream had ended already.
            Expired++;
            row.Done!.SetResult(new(_end, 0));
        }

        if (_blank is { } blank)
            await stack.Release(blank);
        (_blank, _isRunning, _blanksInRow) = (null, false, 0);
    }

    private async ValueTask<bool> TrySendBlank(int packets, int bytesMax)
    {
        // Nothing is sent, or what comes is thrown away.
        int bytes = (endpoint & 0x80) != 0 ? bytesMax : 0;
        _blank ??= await stack.TryAllocate(Math.Max(packets * bytes, 1));
        if (_blank is not { } blank)
            return false;
        HostUsbPacket[] row = [.. Enumerable.Range(0, packets).Select(index => new HostUsbPacket(index * bytes, bytes))];
        Blanks++;
        _blanksInRow++;
        Send(new(blank, row, Done: null));
        return true;
    }

    private async void Send(Row row)
    {
        _sent++;
        _underWay++;
        _endNs = Math.Max(_endNs, NowNs) + _rowNs;
        if (row.Done is not null)
        {
            InTime++;
            _blanksInRow = 0;
        }

        HostUsbResult result = await device.TransferPackets(endpoint, row.Data, row.Packets);
        _underWay--;

        // Whatever was thought before: the next row begins now.
        _endNs = NowNs + ((ulong)_underWay * _rowNs);
        if (result.Status != HostUsbStatus.Completed && _end == HostUsbStatus.Completed)
            _end = result.Status;
        row.Done?.SetResult(result);
        _changed.Raise();
    }

    /// <summary>A row of packets; null as <paramref name="Done"/> where nobody waits for it.</summary>
    private sealed record Row(HostUsbBuffer Data, HostUsbPacket[] Packets, TaskCompletionSource<HostUsbResult>? Done);
}
