using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Statistics: what guests say that they need, and what the VMM measures of them.</summary>
/// <remarks>Both carry their age, so that whoever decides by them can tell a number from a memory of one.</remarks>
/// <param name="state">The VMs.</param>
/// <param name="loop">Time.</param>
internal sealed class StatisticsService(ManagementState state, EventLoop loop) : IManagementService
{
    /// <summary>For how long a measurement does for whoever asks next, in nanoseconds.</summary>
    public const ulong FreshNs = 100_000;

    /// <inheritdoc/>
    public ManagementModes Mode => ManagementModes.Statistics;

    /// <inheritdoc/>
    public ManagementAnswer Serve(TakenRequest request) => request.Fields.Command switch
    {
        ManagementCommand.Report => Report(request),
        ManagementCommand.Query => Query(request),
        _ => ManagementAnswer.Of(ManagementResult.BadRequest),
    };

    /// <inheritdoc/>
    public void Cancel(TakenRequest request)
    {
    }

    /// <inheritdoc/>
    public void End(ManagementPort port)
    {
        // What a guest said before does not bind it after.
        port.Statistics.Demand = default;
        port.Statistics.ReportedAtNs = null;
    }

    /// <summary>The row of a VM; measured anew where that is older than <see cref="FreshNs"/>.</summary>
    public ManagementStatistics Read(ManagementPort port)
    {
        StatisticsRow row = port.Statistics;
        if (row.MeasuredAtNs == 0 || loop.NowNs - row.MeasuredAtNs > FreshNs)
            Measure(port);
        return new()
        {
            Exits = row.Exits,
            Hypercalls = row.Hypercalls,
            RunTimeNs = row.RunTimeNs,
            MeasuredAgeNs = loop.NowNs - row.MeasuredAtNs,
            WorkNs = row.Demand.WorkNs,
            Pages = row.Demand.Pages,
            Participant = port.Number,
            ReportedAgeNs = row.ReportedAtNs is { } at ? loop.NowNs - at : ulong.MaxValue,
            Requests = port.Counts.RequestsFinished,
        };
    }

    /// <summary>What a VM has left of the work that it reported; null where it never did.</summary>
    public WorkEstimate? WorkOf(ManagementPort port)
    {
        StatisticsRow row = port.Statistics;
        if (row.ReportedAtNs is not { } at)
            return null;
        ulong ran = port.Machine.Schedule.RunTimeNs - row.RunTimeAtReportNs;
        return new(row.Demand.WorkNs - Math.Min(row.Demand.WorkNs, ran), loop.NowNs - at);
    }

    private void Measure(ManagementPort port)
    {
        StatisticsRow row = port.Statistics;
        Meter meter = port.Machine.Cpu.Processor.Meter;
        row.Exits = meter[Cost.Exit];
        row.Hypercalls = meter[Cost.Hypercall];
        row.RunTimeNs = port.Machine.Schedule.RunTimeNs;
        row.MeasuredAtNs = loop.NowNs;
    }

    private ManagementAnswer Report(TakenRequest request)
    {
        if (request.Fields.InputLength != ManagementDemand.Size)
            return ManagementAnswer.Of(ManagementResult.BadRequest);
        ManagementResult read = request.TryRead(out byte[] input);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);
        StatisticsRow row = request.Port.Statistics;
        row.Demand = new(MemoryMarshal.Read<Bits128>(input));
        row.ReportedAtNs = loop.NowNs;
        row.RunTimeAtReportNs = request.Port.Machine.Schedule.RunTimeNs;
        return ManagementAnswer.Done;
    }

    private ManagementAnswer Query(TakenRequest request)
    {
        uint whose = request.Fields.Destination;
        bool isOwn = whose == 0 || whose == request.Port.Number;
        if (!isOwn && !request.Port.Grant.SeesOthers)
            return ManagementAnswer.Of(ManagementResult.NotGranted);
        if ((isOwn ? request.Port : state.Find(whose)) is not { } port)
            return ManagementAnswer.Of(ManagementResult.NoDestination);
        Bits512 row = Read(port).Raw;
        ManagementResult written = request.TryWrite(MemoryMarshal.AsBytes(new ReadOnlySpan<Bits512>(in row)));
        return ManagementAnswer.Of(written) with { Length = written == ManagementResult.Done ? ManagementStatistics.Size : 0, Value = ManagementStatistics.Size };
    }
}
