namespace Dma.UsbDevice;

/// <summary>Under which circumstances a structure of a schedule is visited.</summary>
/// <param name="BudgetNs">Nanoseconds that are left of the microframe.</param>
/// <param name="FrameIndex">FRINDEX; only the periodic schedule looks at it.</param>
/// <param name="IsPeriodic">Whether the structure is in the periodic schedule.</param>
/// <param name="IsRecovery">Whether it was reached over the back path of an FSTN: splits of the frame before are completed, nothing is started.</param>
/// <param name="IsDirty">Whether the structure was changed since it was read.</param>
/// <param name="TransactionsMax">How many transactions the visit may run, at least 1.</param>
internal readonly record struct VisitContext(
    uint BudgetNs, uint FrameIndex = 0, bool IsPeriodic = false, bool IsRecovery = false, bool IsDirty = false, int TransactionsMax = 1)
{
    /// <summary>The bit of the current microframe in S-masks and C-masks.</summary>
    public byte MicroframeBit => (byte)(1 << (int)(FrameIndex & 7));
}
