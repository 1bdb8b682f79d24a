namespace Dma.Lab;

/// <summary>How an isochronous stream went that a front end keeps rows under way for.</summary>
/// <param name="RowNs">How long a row takes.</param>
/// <param name="SubmitNs">The longest time from the front end to the slots ahead of the controller, with as much jitter as there may be.</param>
/// <param name="AnswerNs">The longest time from the end of a row to the front end.</param>
/// <param name="RowsAhead">How many rows the controller is given ahead.</param>
/// <param name="Depths">What came of each depth.</param>
public sealed record LookAheadReport(ulong RowNs, ulong SubmitNs, ulong AnswerNs, int RowsAhead, IReadOnlyList<LookAheadDepth> Depths)
{
    /// <summary>How many rows under way are enough: as many as pass while one is answered and the next one comes, and those that the controller has.</summary>
    public int DepthNeeded => (int)((SubmitNs + AnswerNs + RowNs - 1) / RowNs) + RowsAhead;

    /// <summary>Whether no row came too late where so many were under way.</summary>
    public bool IsEnough => Depths.Where(depth => depth.Depth >= DepthNeeded).All(depth => depth.Expired == 0);
}

/// <summary>What came of a depth.</summary>
/// <param name="Depth">How many rows the front end kept under way.</param>
/// <param name="InTime">Rows that had their slot.</param>
/// <param name="Expired">Rows that came too late, and were dropped.</param>
/// <param name="Blanks">Slots that were blank, those behind the last row included.</param>
public sealed record LookAheadDepth(int Depth, ulong InTime, ulong Expired, ulong Blanks);
