using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>The dummies that stand for what is behind one root port, in all VMs but the one that has the port.</summary>
/// <param name="port">The root port, from 1.</param>
/// <param name="owner">The register set that has it.</param>
/// <param name="context">What it has in common with others.</param>
internal sealed class Mirror(int port, int owner, DummyContext context)
{
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
        DummyDevice device = new(context.Changed);
        _dummies.Add(new(set, free, device));
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

    /// <summary>Lets all drivers reserve, and waits until they have.</summary>
    /// <param name="needNs">Nanoseconds of each microframe.</param>
    /// <returns><c>Mirrored</c> where all have; else <c>Rejected</c> or <c>Silent</c>.</returns>
    public async ValueTask<ReservationEventKind> Reserve(uint needNs)
    {
        NeedNs = needNs;
        ReservationEventKind result = ReservationEventKind.Mirrored;
        List<Dummy> waiting = [.. _dummies.Where(dummy => dummy.IsWaitedFor(context.Options.SilencesMax))];
        foreach (Dummy dummy in _dummies.Where(dummy => dummy.Device.IsBound))
        {
            Tell(dummy);
            context.Counts.Notices++;
        }

        ulong endNs = context.Loop.NowNs + context.Options.AnswerNsMax;
        while (true)
        {
            foreach (Dummy dummy in waiting.Where(dummy => dummy.Device.IsBound && (dummy.HasRefused || dummy.HasReserved)))
            {
                ReservationEventKind kind = dummy.HasRefused ? ReservationEventKind.Rejected : ReservationEventKind.Mirrored;
                result = kind == ReservationEventKind.Rejected ? kind : result;
                context.Answered(dummy.Set);
                Note(kind, dummy);
            }

            // A driver that went away has nothing to say any more.
            _ = waiting.RemoveAll(dummy => !dummy.Device.IsBound || dummy.HasRefused || dummy.HasReserved);
            if (waiting.Count == 0 || result == ReservationEventKind.Rejected)
                return result;
            if (context.Loop.NowNs >= endNs || !await context.Changed.Wait(endNs - context.Loop.NowNs))
                break;
        }

        foreach (Dummy dummy in waiting)
        {
            dummy.WasSilent();
            context.Counts.Silences++;
            Note(ReservationEventKind.Silent, dummy);
        }

        return ReservationEventKind.Silent;
    }

    private void Tell(Dummy dummy)
    {
        dummy.Tell(NeedNs);
        Note(ReservationEventKind.Notified, dummy);
    }

    private void Note(ReservationEventKind kind, Dummy dummy) =>
        context.Options.Observer?.Happened(new(kind, context.Loop.NowNs, port, owner, dummy.Set, dummy.NeedNs));
}
