namespace Dma.Machine;

/// <summary>How one register answers writes, as data; bits in no mask are read-only.</summary>
/// <param name="Reset">The value after reset.</param>
/// <param name="Writable">Bits that take what is written.</param>
/// <param name="ClearOnOne">Bits that a written one clears and a written zero leaves.</param>
/// <param name="Unreadable">Bits that read as zero whatever they hold.</param>
/// <param name="Kept">Bits that a warm reset leaves as they are.</param>
public readonly record struct RegisterRule(
    ulong Reset, ulong Writable = 0, ulong ClearOnOne = 0, ulong Unreadable = 0, ulong Kept = 0)
{
    /// <summary>The value after a write.</summary>
    /// <param name="current">The value before.</param>
    /// <param name="written">What is written, at its place in the register.</param>
    /// <param name="enabledBytes">A mask with FFh in each byte that the access covers.</param>
    public ulong Write(ulong current, ulong written, ulong enabledBytes)
    {
        ulong taken = Writable & enabledBytes;
        ulong cleared = ClearOnOne & enabledBytes & written;
        return ((current & ~taken) | (written & taken)) & ~cleared;
    }

    /// <summary>What a read of the whole register returns.</summary>
    public ulong Read(ulong current) => current & ~Unreadable;
}
