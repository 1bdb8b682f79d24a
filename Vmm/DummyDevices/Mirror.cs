using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>The dummies that stand for what is behind one root port, in all VMs but the one that has the port.</summary>
/// <param name="port">The root port, from 1.</param>
/// <param name="owner">The register set that has it.</param>
/// <param name="context">What it has in common with others.</param>
internal sealed class Mirror(int port, int owner, DummyContext context)
{
    // So often a driver is told what it refuses though its VM must have time for it.
    private const int TellingsMax = 2;

    private readonly List<Dummy> _dummies = [];

    /// <summary>The root port, from 1.</summary>
    public int Port => port;

    /// <summary>The register set that has it.</summary>
    public int Owner => owner;

    /// <summary>What all of them shall reserve, in nanoseconds of each microframe.</summary>
    public uint NeedNs { get; private set; }

    /// <summary>The dummies.</summary>
    public IReadOnlyList<Dummy> Dummies => _dummies;

    /// <summary>Whether a VM has its dummy.</summary>
    public bool IsIn(int set) => _dummies.Exists(dummy => dummy.Set == set);

    /// <summary>Plugs one into a VM.</summary>
    /// <param name="set">The register set of the VM.</param>
    /// <param name="sockets">The ports of the VM that have no bus behind them.</param>
    /// <returns><c>false</c> where all of them are taken.</returns>
    public bool TryPlug(int set, IReadOnlyList<UsbPort> sockets)
    {
        if (sockets.FirstOrDefault(socket => socket.Device is null) is not { } free)
            return false;
        DummyConduct conduct = context.ConductOf(set);
        DummyDevice device = new(context.Changed, conduct);
        _dummies.Add(new(set, free, device, conduct));
        free.Plug(device);
        return true;
    }

    /// <summary>Pulls the one of a VM out, or all.</summary>
    /// <param name="set">The register set of the VM; null for all.</param>
    public void Unplug(int? set = null)
    {
        foreach (Dummy dummy in _dummies.Where(dummy => set is null || dummy.Set == set))
            dummy.Unplug();
        _ = _dummies.RemoveAll(dummy => set is null || dummy.Set == set);
    }

    /// <summary>Tells drivers that came since the last look what is reserved.</summary>
    public void TellNewDrivers()
    {
        foreach (Dummy dummy in _dummies)
        {
            if (!dummy.Device.IsBound)
                dummy.ForgetDriver();
            else if (!dummy.IsTold)
                Tell(dummy);
        }
    }

    /// <summary>Lets all drivers reserve, and waits until each has answered that is waited for.</summary>
    /// <param name="needNs">Nanoseconds of each microframe.</param>
    /// <returns><c>Mirrored</c> where none is known to have less; else <c>Rejected</c> or <c>Silent</c>.</returns>
    public async ValueTask<ReservationEventKind> Reserve(uint needNs)
    {
        bool isMore = needNs > NeedNs;
        NeedNs = needNs;
        List<Task<ReservationEventKind?>> answers = [];
        foreach (Dummy dummy in _dummies.Where(dummy => dummy.Device.IsBound))
        {
            Tell(dummy);
            context.Counts.Notices++;
            if (dummy.Conduct.IsTrusted)
                answers.Add(Hear(dummy, isMore));
            else
                context.Loop.Start(() => Answer(dummy));
        }

        ReservationEventKind?[] all = await Task.WhenAll(answers);
        return all.Contains(ReservationEventKind.Rejected) ? ReservationEventKind.Rejected
            : all.Contains(ReservationEventKind.Silent) ? ReservationEventKind.Silent
            : ReservationEventKind.Mirrored;
    }

    // A refusal that the books disprove is not the end: what the driver has beside them for a moment, it asks for or gives
    // back in the time that it has for any answer. Then it is told again.
    private async Task<ReservationEventKind?> Hear(Dummy dummy, bool isMore)
    {
        for (int told = 1; ; told++)
        {
            ReservationEventKind? answer = await Answer(dummy);
            if (answer != ReservationEventKind.Rejected || !isMore || await IsExplained(dummy))
                return answer;
            if (told == TellingsMax)
            {
                dummy.Conduct.WasDisproved();
                context.Counts.Disproved++;
                Note(ReservationEventKind.Disproved, dummy);
                return ReservationEventKind.Disproved;
            }

            Tell(dummy);
        }
    }

    // What the driver says to the last notice; null where it went away, or was told something else, and has nothing to say any more.
    private async Task<ReservationEventKind?> Answer(Dummy dummy)
    {
        ushort number = dummy.NoticeNumber;
        bool HasAnswered() => !dummy.Device.IsBound || dummy.NoticeNumber != number || dummy.HasRefused || dummy.HasReserved;
        bool isInTime = await Wait(HasAnswered);
        if (!dummy.Device.IsBound || dummy.NoticeNumber != number)
            return null;
        ReservationEventKind kind = !isInTime ? ReservationEventKind.Silent : dummy.HasRefused ? ReservationEventKind.Rejected : ReservationEventKind.Mirrored;
        if (isInTime)
            context.Answered(dummy.Set);
        if (kind == ReservationEventKind.Silent)
        {
            dummy.Conduct.WasSilent();
            context.Counts.Silences++;
        }
        else if (kind == ReservationEventKind.Mirrored)
        {
            dummy.Conduct.HasMirrored();
        }

        Note(kind, dummy);
        return kind;
    }

    private async Task<bool> IsExplained(Dummy dummy) =>
        await Wait(() => !dummy.Device.IsBound || context.MayLackTime(dummy.Set)) && dummy.Device.IsBound;

    // As long as a driver may take to answer.
    private async Task<bool> Wait(Func<bool> isOver)
    {
        ulong endNs = context.Loop.NowNs + context.Options.AnswerNsMax;
        while (!isOver())
        {
            if (context.Loop.NowNs >= endNs || !await context.Changed.Wait(endNs - context.Loop.NowNs))
                return isOver();
        }

        return true;
    }

    private void Tell(Dummy dummy)
    {
        dummy.Tell(NeedNs);
        Note(ReservationEventKind.Notified, dummy);
    }

    private void Note(ReservationEventKind kind, Dummy dummy) =>
        context.Options.Observer?.Happened(new(kind, context.Loop.NowNs, port, owner, dummy.Set, dummy.NeedNs));
}
