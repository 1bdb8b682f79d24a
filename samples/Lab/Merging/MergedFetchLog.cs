using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What the controller fetched through a merge engine: the list of each frame when it was walked last, and the last round of the asynchronous list.</summary>
/// <param name="machine">The computer; its VMs have the slots in their order.</param>
internal sealed class MergedFetchLog(MergedMachine machine) : IMergeObserver
{
    private const int Frames = 1024;

    private readonly List<MergeFetch>[] _frames = [.. Enumerable.Range(0, Frames).Select(static _ => new List<MergeFetch>())];
    private readonly TimelineTrack[] _tracks = machine.Timeline is { } timeline ? [.. machine.Machines.Select(vm => timeline.Track("engine", vm.Name))] : [];
    private readonly HashSet<(int Slot, uint Address)> _heads = [];
    private List<MergeFetch> _round = [];
    private List<MergeFetch> _roundBefore = [];

    /// <summary>The last round, a letter for each queue head.</summary>
    public string Round => string.Join(' ', _roundBefore.Select(Letter));

    /// <summary>The most structures of one round that the controller saw marked as the head of its list.</summary>
    public int Heads { get; private set; }

    /// <summary>What was fetched in a frame, a letter for each structure.</summary>
    /// <param name="frame">The element of the frame list.</param>
    /// <param name="slot">Of which VM; null for all.</param>
    public string Frame(int frame, int? slot = null) => string.Join(' ', _frames[frame].Where(fetch => slot is null || fetch.Slot == slot).Select(Letter));

    /// <inheritdoc/>
    public void Fetched(in MergeFetch fetch)
    {
        List<MergeFetch> frame = _frames[fetch.FrameIndex >> 3 & (Frames - 1)];
        if (fetch.Slot < 0 && !fetch.IsPeriodic)
        {
            (_round, _roundBefore) = (_roundBefore, _round);
            _heads.Clear();
        }

        if (fetch.IsHead && _heads.Add((fetch.Slot, fetch.Address)))
            Heads = Math.Max(Heads, _heads.Count);
        List<MergeFetch> list = fetch.IsPeriodic ? frame : _round;
        if (fetch.Slot < 0)
        {
            list.Clear();
            return;
        }

        list.Add(fetch);
        if (_tracks.Length != 0)
            machine.Timeline!.Instant(_tracks[fetch.Slot], $"{fetch.Type}", machine.Host.Loop.NowNs, ("at", $"{fetch.Address:X}h"));
    }

    private static string Letter(MergeFetch fetch) => MergedRun.LetterOf(fetch.Type) + (fetch.Slot + 1);
}
