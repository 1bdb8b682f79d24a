using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Which pages of a VM were written, as a test knows it, next to the log that the VMM keeps where it is asked to.</summary>
/// <param name="machine">The VM.</param>
/// <param name="isExact">Whether pages go nowhere by themselves, so that the log has no page that nothing became of.</param>
internal sealed class MonitorLog(VirtualMachine machine, bool isExact)
{
    private const int PageBytes = 4096;

    private readonly HashSet<ulong> _written = [];
    private readonly HashSet<ulong> _touched = [];
    private DirtyLog? _log;

    /// <summary>Whether the VMM logs.</summary>
    public bool IsOn => _log is not null;

    /// <summary>A range was written.</summary>
    public void Written(int address, int length) => Mark(address, length, _written);

    /// <summary>A range may have been written.</summary>
    public void Touched(int address, int length) => Mark(address, length, _touched);

    /// <summary>A page got another frame, or went.</summary>
    public void Moved(GuestPhysicalAddress page) => _ = _touched.Add(page.Page);

    /// <summary>The log begins, or is read for the last time.</summary>
    public async Task Toggle()
    {
        if (_log is { } log)
        {
            await Harvest();
            await log.Stop();
            _log = null;
            return;
        }

        _log = await DirtyLog.Start(machine);
        Clear();
    }

    /// <summary>Looks whether the log has each page that was written, and no other; nothing where there is none.</summary>
    public async Task Harvest()
    {
        if (_log is not { } log)
            return;
        SortedSet<ulong> pages = await log.Harvest();
        Assert.Empty(_written.Except(pages));
        if (isExact)
            Assert.Empty(pages.Except(_written).Except(_touched));
        Clear();
    }

    private static void Mark(int address, int length, HashSet<ulong> pages)
    {
        for (int page = address / PageBytes; page <= (address + length - 1) / PageBytes; page++)
            _ = pages.Add((ulong)page);
    }

    private void Clear()
    {
        _written.Clear();
        _touched.Clear();
    }
}
