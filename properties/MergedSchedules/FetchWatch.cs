using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>What the controller behind a merge engine fetched last: the list of a frame, and a round of the asynchronous list.</summary>
internal sealed class FetchWatch : IMergeObserver
{
    private readonly List<MergeFetch> _seen = [];
    private List<MergeFetch> _frame = [];
    private List<MergeFetch> _round = [];
    private List<MergeFetch> _frameBefore = [];
    private List<MergeFetch> _roundBefore = [];

    /// <summary>The list of a frame as it was walked in the last microframe.</summary>
    public IReadOnlyList<MergeFetch> Frame => _frameBefore;

    /// <summary>The last round of the asynchronous list, from behind its head.</summary>
    public IReadOnlyList<MergeFetch> Round => _roundBefore;

    /// <summary>All that was fetched since <see cref="Seen"/> was cleared, where <see cref="KeepsAll"/> is set.</summary>
    public List<MergeFetch> Seen => _seen;

    /// <summary>Whether all is kept.</summary>
    public bool KeepsAll { get; set; }

    public void Fetched(in MergeFetch fetch)
    {
        if (KeepsAll)
            _seen.Add(fetch);
        if (fetch.Slot < 0 && fetch.IsPeriodic)
            (_frame, _frameBefore) = (_frameBefore, _frame);
        else if (fetch.Slot < 0)
            (_round, _roundBefore) = (_roundBefore, _round);
        List<MergeFetch> list = fetch.IsPeriodic ? _frame : _round;
        if (fetch.Slot < 0)
            list.Clear();
        else
            list.Add(fetch);
    }

    /// <summary>Where structures of a VM are, in the order in which they were fetched.</summary>
    /// <param name="list">A list.</param>
    /// <param name="slot">The slot of the VM.</param>
    public static IEnumerable<uint> Of(IReadOnlyList<MergeFetch> list, int slot) => list.Where(fetch => fetch.Slot == slot).Select(fetch => fetch.Address);
}
