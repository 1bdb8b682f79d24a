namespace Dma.UsbDevice;

/// <summary>One wire of a root port, and the endpoints that wait for it: USB 2 has one for both directions, USB 3 one for each.</summary>
/// <remarks>
/// Periodic endpoints that are due go first, then the others take turns. What is not due waits in the order of its microframe. An
/// entry counts only while the endpoint is as active as it was when the entry was made.
/// </remarks>
internal sealed class BusLane(FrameClock frames, RootPort port, TransferExecutor executor)
{
    /// <summary>When nothing is to be done.</summary>
    public const ulong Never = ulong.MaxValue;

    private const int StaleMax = 256;

    private readonly PriorityQueue<Entry, ulong> _waiting = new();
    private readonly Queue<Entry> _periodic = new();
    private readonly Queue<Entry> _others = new();
    private ulong _freeNs;
    private int _purgeAt = StaleMax;

    /// <summary>Whether an endpoint waits.</summary>
    public bool HasWork
    {
        get
        {
            foreach ((Entry entry, _) in _waiting.UnorderedItems)
            {
                if (entry.Counts)
                    return true;
            }

            return _periodic.Count != 0 || _others.Count != 0;
        }
    }

    /// <summary>When the wire is free and somebody may want it.</summary>
    public ulong NextNs(ulong nowNs)
    {
        if (_periodic.Count != 0 || _others.Count != 0)
            return Math.Max(_freeNs, nowNs);
        return _waiting.TryPeek(out _, out ulong due) ? Math.Max(Math.Max(_freeNs, nowNs), frames.StartOf(Math.Max(due, frames.Count(nowNs)))) : Never;
    }

    /// <summary>Nobody waits any more.</summary>
    public void Clear()
    {
        _waiting.Clear();
        _periodic.Clear();
        _others.Clear();
        _freeNs = 0;
    }

    /// <summary>An endpoint has work from now on.</summary>
    public void Add(XhciEndpoint endpoint, ulong nowNs)
    {
        if (endpoint.IsActive)
            return;
        endpoint.Activate();
        ulong microframe = frames.Count(nowNs);
        ulong due = endpoint.IsPeriodic ? ((microframe / endpoint.Period) + 1) * endpoint.Period : microframe;
        Put(new(endpoint, endpoint.Activation), due, microframe);
    }

    /// <summary>Lets endpoints have their turns until the wire is busy or nobody wants it now.</summary>
    /// <returns><c>false</c> where the bus of the computer failed.</returns>
    public bool Run(ulong nowNs)
    {
        if (_freeNs > nowNs)
            return true;
        ulong microframe = frames.Count(nowNs);

        // High speed and SuperSpeed are counted in microframes; slower ones in frames, and a packet may take more than a microframe.
        ulong end = frames.StartOf((port.Socket.Speed <= UsbSpeed.Full ? microframe | 7 : microframe) + 1);
        Release(microframe);
        while (_periodic.TryDequeue(out Entry entry) || _others.TryDequeue(out entry))
        {
            if (!entry.Counts)
                continue;
            if (port.WakeLink(nowNs) is var exitNs and not 0)
            {
                Put(entry, microframe, microframe);
                _freeNs = nowNs + exitNs;
                return true;
            }

            EndpointVisit visit = executor.Visit(entry.Endpoint, microframe, (uint)(end - nowNs));
            switch (visit.Outcome)
            {
                case EndpointVisit.Kind.Again when entry.Counts:
                    Put(entry, visit.Due, microframe);
                    break;
                case EndpointVisit.Kind.NoTime:
                    Put(entry, microframe + 1, microframe);
                    break;
                case EndpointVisit.Kind.Again:
                    break;
                case EndpointVisit.Kind.Idle:
                    if (entry.Counts)
                        entry.Endpoint.Deactivate();
                    break;
                default:
                    return false;
            }

            if (visit.WireNs == 0)
                continue;
            _freeNs = nowNs + visit.WireNs;
            port.UseLink(_freeNs);
            return true;
        }

        return true;
    }

    private void Release(ulong microframe)
    {
        while (_waiting.TryPeek(out Entry entry, out ulong due) && due <= microframe)
        {
            _ = _waiting.Dequeue();
            if (entry.Counts)
                (entry.Endpoint.IsPeriodic ? _periodic : _others).Enqueue(entry);
        }
    }

    private void Put(Entry entry, ulong due, ulong microframe)
    {
        if (due <= microframe)
        {
            (entry.Endpoint.IsPeriodic ? _periodic : _others).Enqueue(entry);
            return;
        }

        // Endpoints that are stopped and started again and again must not fill the queue with old entries.
        if (_waiting.Count >= _purgeAt)
        {
            (Entry Element, ulong Priority)[] live = [.. _waiting.UnorderedItems.Where(static item => item.Element.Counts)];
            _waiting.Clear();
            _waiting.EnqueueRange(live);
            _purgeAt = Math.Max(StaleMax, 2 * live.Length);
        }

        _waiting.Enqueue(entry, due);
    }

    private readonly record struct Entry(XhciEndpoint Endpoint, uint Activation)
    {
        public bool Counts => Endpoint.IsActive && Endpoint.Activation == Activation;
    }
}
