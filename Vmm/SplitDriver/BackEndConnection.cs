using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A front end that is connected: its two rings, and the requests that have no response yet.</summary>
internal sealed class BackEndConnection
{
    /// <summary>How many responses are held back at most: half of the ring.</summary>
    private static readonly uint HeldMax = SharedRing.CountOf(UrbRequest.Size) / 2;

    private readonly Processor _processor;
    private readonly Func<ValueTask> _wake;
    private readonly UrbJournal? _journal;
    private readonly UrbExecutor _executor;
    private readonly IReadOnlyList<BackEndPort?> _ports;
    private readonly BackRing _requests;
    private readonly BackRing _plugs;
    private readonly Signal _event;
    private readonly Signal _idle;
    private readonly Dictionary<ushort, UrbWork> _works = [];
    private readonly Stack<UrbWork> _spare = new();
    private readonly bool[] _hasNews;
    private readonly byte[] _news = new byte[PlugEvent.Size];
    private bool _isClosing;
    private bool _isShutdown;
    private bool _isServing = true;

    /// <summary>Connects.</summary>
    /// <param name="processor">Who serves it.</param>
    /// <param name="executor">Who carries requests out.</param>
    /// <param name="ports">The ports, the first one is number 1.</param>
    /// <param name="rings">The ring of requests, and that of plug events.</param>
    /// <param name="notified">What the front end raises.</param>
    /// <param name="wake">Wakes the front end.</param>
    /// <param name="journal">Where is noted how far requests came; null for nowhere.</param>
    public BackEndConnection(
        Processor processor, UrbExecutor executor, IReadOnlyList<BackEndPort?> ports, (BackRing Requests, BackRing Plugs) rings, Signal notified, Func<ValueTask> wake, UrbJournal? journal = null)
    {
        (_processor, _executor, _ports, _event, _wake, _journal) = (processor, executor, ports, notified, wake, journal);
        (_requests, _plugs) = rings;
        _idle = new(processor.Loop);
        _hasNews = [.. ports.Select(port => port is not null)];
    }

    /// <summary>How many requests have no response.</summary>
    public int Outstanding => _works.Count;

    /// <summary>How many requests were taken, and how many responses were given.</summary>
    public (uint Requests, uint Responses) Counts => (_requests.Requests, _requests.Responses);

    /// <summary>Whether the guest broke the rules of the ring; nothing is taken from it any more.</summary>
    public bool IsBroken => _requests.IsBroken || _plugs.IsBroken;

    /// <summary>The guest rings.</summary>
    public void Notify() => _event.Raise();

    /// <summary>Serves until it is closed, or the guest breaks the ring.</summary>
    public async Task Serve()
    {
        byte[] entry = new byte[UrbRequest.Size];
        while (!_isClosing && !IsBroken)
        {
            await TellNews();
            if (_requests.TryTake(entry))
                await Take(entry);
            else if (!IsBroken && _requests.Sleep())
                _ = await _processor.Wait(_event);
        }

        _isServing = false;
        _idle.Raise();
        if (IsBroken)
            Abandon(port: null);
    }

    /// <summary>A device came or went: the front end hears of it as soon as it has left room for such news.</summary>
    /// <param name="port">From 1.</param>
    public ValueTask Tell(int port)
    {
        _hasNews[port - 1] = true;
        return _isClosing ? default : TellNews();
    }

    /// <summary>Lets all requests end that have to do with a port, and waits until they have.</summary>
    /// <param name="port">The port; null for all.</param>
    public async ValueTask Drain(BackEndPort? port)
    {
        Abandon(port);
        while (_works.Values.Any(work => port is null || work.Port == port))
            _ = await _idle.Wait();
    }

    /// <summary>Takes nothing any more; when it completes, every request that was taken has its response, and the guest's pages are used no more.</summary>
    /// <param name="isShutdown">Whether it is the host that ends it: requests that could not be carried out are told so, and those not taken yet as well.</param>
    public async ValueTask Close(bool isShutdown)
    {
        (_isClosing, _isShutdown) = (true, isShutdown);
        _event.Raise();
        while (_isServing)
            _ = await _idle.Wait();
        if (isShutdown)
            await RefuseRest();
        await Drain(port: null);
    }

    // At most a ring of them: the guest can show no more while nothing else runs.
    private async ValueTask RefuseRest()
    {
        byte[] entry = new byte[UrbRequest.Size];
        while (_requests.TryTake(entry))
            await Respond(new() { Id = UrbRequest.Read(entry).Id, Status = UrbStatus.Shutdown });
    }

    private async ValueTask TellNews()
    {
        for (int index = 0; index < _hasNews.Length; index++)
        {
            if (!_hasNews[index])
                continue;
            if (!_plugs.TryTake(_news))
                return;
            _hasNews[index] = false;
            PlugEvent news = new PlugEvent(new(BitConverter.ToUInt32(_news))) with { Port = (byte)(index + 1), Speed = _ports[index]?.PlugSpeed ?? PlugSpeed.None };
            BitConverter.TryWriteBytes(_news, news.Raw.Value);
            _plugs.Add(_news);
            if (_plugs.Publish())
                await _wake();
        }
    }

    private void Abandon(BackEndPort? port)
    {
        foreach (UrbWork work in _works.Values)
        {
            if (port is null || work.Port == port)
                work.Unlink();
        }
    }

    // The entry is a copy: the guest changes it no more.
    private ValueTask Take(ReadOnlySpan<byte> entry)
    {
        UrbRequest request = UrbRequest.Read(entry);
        int segments = UrbRules.SegmentsOf(request);
        _journal?.Note(request.Id, UrbStage.Taken);
        if (request.Pipe.Unlink)
            return Respond(new() { Id = request.Id, Status = Unlink(request.UnlinkId) });
        if (segments > UrbRequest.SegmentsMax || _works.ContainsKey(request.Id))
            return Respond(new() { Id = request.Id, Status = UrbStatus.Invalid });
        if (Find(request.Pipe) is not { } port)
            return Respond(new() { Id = request.Id, Status = UrbStatus.NoDevice });
        UrbWork work = _spare.TryPop(out UrbWork? spare) ? spare : new();
        work.Begin(request, MemoryMarshal.Cast<byte, UrbSegment>(entry[UrbRequest.HeadSize..])[..segments], port);
        Start(work);
        return default;
    }

    // A device is reached at its port alone, and by the address that this guest gave it.
    private BackEndPort? Find(UrbPipe pipe)
    {
        BackEndPort? port = pipe.Port >= 1 && pipe.Port <= _ports.Count ? _ports[pipe.Port - 1] : null;
        bool isReset = pipe is { Device: 0, Type: UrbType.Control };
        return port is { IsGone: false } && (pipe.Device == port.Address || isReset) ? port : null;
    }

    private UrbStatus Unlink(ushort id)
    {
        if (!_works.TryGetValue(id, out UrbWork? work))
            return UrbStatus.Invalid;
        work.Unlink();
        return UrbStatus.Ok;
    }

    private async void Start(UrbWork work)
    {
        _works.Add(work.Request.Id, work);
        UrbResponse response = await _executor.Execute(work);
        _ = _works.Remove(work.Request.Id);
        if (work.Port.IsGone)
            response = response with { Status = UrbStatus.NoDevice };
        else if (_isShutdown && response.Status == UrbStatus.Unlinked)
            response = response with { Status = UrbStatus.Shutdown };

        // One of several that belong together: the guest is not woken for each, only for what ends it.
        if (work.Request.ShortNotOk && response.Status != UrbStatus.Ok)
            UnlinkBehind(work);
        bool isMore = response.Status == UrbStatus.Ok && work.Request.ShortNotOk && HasMoreFor(work);
        _spare.Push(work);
        await Respond(response, isMore);
        _idle.Raise();
    }

    private bool HasMoreFor(UrbWork done)
    {
        foreach (UrbWork work in _works.Values)
        {
            if (work.Port == done.Port && work.Endpoint == done.Endpoint)
                return true;
        }

        return false;
    }

    // What waits for the same endpoint was made before the guest could know.
    private void UnlinkBehind(UrbWork failed)
    {
        foreach (UrbWork work in _works.Values)
        {
            if (work.Port == failed.Port && work.Endpoint == failed.Endpoint && !work.IsRunning)
                work.Unlink();
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask Respond(UrbResponse response, bool isMore = false)
    {
        _requests.Add(MemoryMarshal.AsBytes(new ReadOnlySpan<UrbResponse>(in response)));
        _journal?.Note(response.Id, UrbStage.Answered);

        // Held back for long, answers would leave no room for requests.
        bool isHeld = isMore && _requests.Unpublished < HeldMax;
        if (!isHeld && _requests.Publish())
            await _wake();
    }
}
