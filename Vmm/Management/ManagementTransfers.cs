using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The copies that a management core makes, on the account of the processor that it runs on.</summary>
/// <param name="processor">The processor.</param>
internal sealed class ManagementTransfers(Processor processor)
{
    public ulong NowNs => processor.Loop.NowNs;

    /// <summary>Charges a copy of slots, which is no payload.</summary>
    public void CopiedSlot(int bytes)
    {
        processor.Charge(Cost.Copy);
        processor.Charge(Cost.CopiedByte, (ulong)bytes);
    }

    /// <summary>Charges a copy into or out of a guest's buffer.</summary>
    public void Copied(ManagementPort port, int bytes)
    {
        if (bytes == 0)
            return;
        CopiedSlot(bytes);
        port.Counts.BytesCopied += (ulong)bytes;
    }
}
