using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A VM with a user-level monitor, on the host or in a service VM, another VM that takes what is free, and an array of bytes that both ways into the first VM are compared with.</summary>
internal sealed class MonitorBench : IDisposable
{
    public const int Pages = 64;
    private const int PageBytes = 4096;
    private const ulong MiB = 1 << 20;
    private const ulong GuestBytes = MiB / 2;
    private const ulong OtherPages = 100;
    private const byte Secret = 0xE5;
    private const int ListsMax = 4;

    private readonly MonitorOptions _options;
    private readonly bool _isLazy;
    private readonly byte[] _model = new byte[Pages * PageBytes];
    private readonly VirtualMachine _other;
    private readonly MonitorService? _service;
    private readonly List<string> _wrongs = [];
    private FakeHostUsb _stack;
    private HeldDevice _device;
    private readonly HashSet<ulong> _present = [];
    private readonly MonitorLog _log;
    private readonly ScatterList?[] _lists = new ScatterList?[ListsMax];
    private readonly List<(Task<HostUsbResult> Task, ScatterList List, bool IsIn, bool IsDirect)> _transfers = [];
    private ulong _faults;
    private ulong _otherPage;

    /// <summary>A host that runs.</summary>
    /// <param name="options">How the monitor works.</param>
    /// <param name="isLazy">Whether memory of the VM comes when it is touched.</param>
    /// <param name="service">What the VMM does for the service VM; null for a monitor of the host.</param>
    public MonitorBench(MonitorOptions options, bool isLazy, ServiceVmOptions? service = null)
    {
        (_options, _isLazy) = (options, isLazy);
        Host = new(new() { MemoryBytes = 24 * MiB, VmmBytes = 16 * MiB });
        _service = service is null ? null : new(Host, service);
        Host.Boot();
        Machine = isLazy ? Host.TryCreateLazyMachine("VM 1", GuestBytes, 40)! : Host.CreateMachine("VM 1", GuestBytes);
        _log = new(Machine, isExact: !isLazy);
        _other = Host.TryCreateLazyMachine("VM 2", GuestBytes, 64)!;
        _stack = _service?.Start(Machine) ?? new(Host);
        _device = new(_stack, Host.Loop);
        Monitor = Open();
    }

    public Host Host { get; }

    public VirtualMachine Machine { get; }

    public UserLevelMonitor Monitor { get; private set; }

    /// <summary>Plays a program; what does not hold is an assertion that fails.</summary>
    public void Play(IEnumerable<MonitorStep> program) => Host.Loop.Run(async () =>
    {
        foreach (MonitorStep step in program)
        {
            await Take(step);
            await Settle();
            Check();
        }

        await End();
    });

    public void Dispose() => Host.Dispose();

    private UserLevelMonitor Open()
    {
        _present.Clear();
        Array.Clear(_lists);
        _faults = 0;
        return new(Machine, _options, _service?.Driver) { Watcher = Happened };
    }

    // Before the driver of a service VM hears of it, its entries lead nowhere, and never to what is another's now.
    private ValueTask Settle()
    {
        const ulong DriverNs = 400_000;
        if (_service is null)
            return default;
        AssertNothingStale();
        return Host.Loop.Delay(DriverNs);
    }

    private void AssertNothingStale()
    {
        for (ulong page = 0; page < GuestBytes / PageBytes; page++)
            Assert.NotEqual(WindowPageState.Stale, Monitor.StateOf(new(page * PageBytes)));
    }

    // The set that faults are counted by: pages that were touched since they were taken out last.
    private void Happened(WindowEvent happened)
    {
        switch (happened.Kind)
        {
            case WindowEventKind.Fault:
                Assert.True(_present.Add(happened.Page.Page), $"{happened.Page} faulted and was there.");
                _faults++;
                break;
            case WindowEventKind.RefusedFault:
                Assert.False(Machine.Memory.Contains(happened.Page, PageBytes));
                break;
            default:
                Assert.True(_present.Remove(happened.Page.Page));
                break;
        }
    }

    private async Task Take(MonitorStep step)
    {
        Random random = new(step.Seed);
        int address = (step.Page * PageBytes) + random.Next(PageBytes);
        int length = Math.Min(step.Length, _model.Length - address);
        GuestPhysicalAddress at = new((ulong)step.Page * PageBytes);
        switch (step.Act)
        {
            case MonitorAct.Read:
                Read(address, length);
                break;
            case MonitorAct.Write:
                Write(address, length, random);
                break;
            case MonitorAct.Load:
                Load(address, length);
                break;
            case MonitorAct.Store:
                random.NextBytes(_model.AsSpan(address, length));
                _log.Written(address, length);
                Assert.True(Machine.Cpu.TryWrite(new((ulong)address), _model.AsSpan(address, length)));
                break;
            case MonitorAct.Move:
                _ = await Left(at, Machine.Mover.Move(at));
                break;
            case MonitorAct.SwapOut:
                _ = await Left(at, Machine.Mover.SwapOut(at));
                break;
            case MonitorAct.Balloon:
                if (await Left(at, Machine.Mover.Balloon(at)))
                    _model.AsSpan(step.Page * PageBytes, PageBytes).Clear();
                break;
            case MonitorAct.GiveToOther:
                GiveToOther();
                break;
            case MonitorAct.MoveAndWrite:
                await Overlap(at, Machine.Mover.Move(at), () => Write(address, length, random));
                break;
            case MonitorAct.SwapAndRead:
                await Overlap(at, Machine.Mover.SwapOut(at), () => Read(address, length));
                break;
            case MonitorAct.ReadHole:
                ReadHole(random);
                break;
            default:
                await Transfer(step, random);
                break;
        }
    }

    private async Task Transfer(MonitorStep step, Random random)
    {
        switch (step.Act)
        {
            case MonitorAct.Receive or MonitorAct.Send when _options.Access == MonitorAccess.Window:
                // Not two at a time: what comes first would decide what is there afterwards.
                if (_transfers.Count == 0)
                    await Begin(step.Page % ListsMax, step.Act == MonitorAct.Receive, isDirect: random.Next(4) != 0);
                break;
            case MonitorAct.Finish when _transfers.Count != 0:
                await Finish((byte)random.Next(256));
                break;
            case MonitorAct.Log:
                await _log.Toggle();
                break;
            case MonitorAct.Harvest:
                await _log.Harvest();
                break;
            case MonitorAct.Kill:
                await (_service is not null && random.Next(2) == 0 ? Crash(_service) : Kill());
                Monitor = Open();
                break;
            default:
                break;
        }
    }

    private void Read(int address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.Equal(DmaStatus.Success, Monitor.Read(new((ulong)address), bytes));
        Assert.True(bytes.AsSpan().SequenceEqual(_model.AsSpan(address, length)), $"{length} bytes at {address:X}h differ.");
        AssertTouched(address, length);
    }

    private void Write(int address, int length, Random random)
    {
        random.NextBytes(_model.AsSpan(address, length));
        _log.Written(address, length);
        Assert.Equal(DmaStatus.Success, Monitor.Write(new((ulong)address), _model.AsSpan(address, length)));
        AssertTouched(address, length);
    }

    private void Load(int address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(Machine.Cpu.TryRead(new((ulong)address), bytes));
        Assert.True(bytes.AsSpan().SequenceEqual(_model.AsSpan(address, length)), $"The guest has other bytes at {address:X}h.");
    }

    private void GiveToOther()
    {
        GuestPhysicalAddress page = new(_otherPage++ % OtherPages * PageBytes);
        Span<byte> secret = stackalloc byte[PageBytes];
        secret.Fill(Secret);
        Assert.True(_other.Cpu.TryWrite(page, secret));
    }

    private void ReadHole(Random random)
    {
        ulong[] holes = [GuestBytes, MemoryLayout.BarStart, LocalApic.Start, MemoryLayout.HighMemoryStart, 1ul << 46, ulong.MaxValue - 8, (ulong)random.NextInt64(long.MaxValue) | (1 << 21)];
        ulong hole = holes[random.Next(holes.Length)];
        byte[] bytes = new byte[8];
        Assert.Equal(DmaStatus.Unclaimed, Monitor.Read(new(hole), bytes));
        Assert.Equal(DmaStatus.Unclaimed, Monitor.Write(new(hole), bytes));
        Assert.Equal(new byte[8], bytes);

        // What lies before a hole is done.
        Assert.Equal(DmaStatus.Unclaimed, Monitor.Read(new(GuestBytes - 8), new byte[16]));
    }

    private async Task Begin(int number, bool isIn, bool isDirect)
    {
        ScatterList list = _lists[number] ??= Monitor.Gather(new((ulong)((number * 9 * PageBytes) + 700)), 3 * PageBytes);
        byte endpoint = (byte)(isIn ? 0x81 : 0x02);
        Task<HostUsbResult> task = isDirect ? Monitor.Transfers.Direct(_device, endpoint, list).AsTask() : Monitor.Transfers.Copied(_device, endpoint, list).AsTask();
        await Host.Loop.Delay(0);
        await Settle();
        Assert.Equal(1, _device.Waiting);
        _transfers.Add((task, list, isIn, isDirect));
    }

    private async Task Finish(byte value)
    {
        (Task<HostUsbResult> task, ScatterList list, bool isIn, bool isDirect) = _transfers[0];
        Span<byte> model = _model.AsSpan((int)list.Start.Value, list.Length);
        byte[] before = model.ToArray();
        if (isIn)
        {
            model.Fill(value);
            _log.Written((int)list.Start.Value, list.Length);
        }

        byte[] sent = _device.Finish(value);
        Assert.Equal(HostUsbStatus.Completed, (await task).Status);

        // U3: whoever is told that it is over finds the data.
        Load((int)list.Start.Value, list.Length);

        // Without a copy it is sent as it is at the end; what was copied is as it was at the beginning.
        Assert.True(isIn || !isDirect || sent.AsSpan().SequenceEqual(before));
        _transfers.Clear();
    }

    private async Task Kill()
    {
        UserLevelMonitor dead = Monitor;
        await dead.Kill();
        foreach ((Task<HostUsbResult> task, _, _, _) in _transfers)
            Assert.Equal(HostUsbStatus.Canceled, (await task).Status);

        CutOff();
        Assert.Equal((0, 0, 0ul), (dead.PagesPresent, dead.Transfers.Running, Host.Frames.Pins));
        for (ulong page = 0; page < GuestBytes / PageBytes; page++)
            Assert.Equal(WindowPageState.Absent, dead.StateOf(new(page * PageBytes)));
        Assert.Equal(DmaStatus.Unclaimed, dead.Read(new(0), new byte[4]));
        Assert.Equal(DmaStatus.Unclaimed, dead.Write(new(0), new byte[4]));
    }

    // The service VM is gone, and its processes with it: nobody ends anything, and the VMM alone clears up.
    private async Task Crash(MonitorService service)
    {
        UserLevelMonitor dead = Monitor;
        await service.Crash();
        _wrongs.AddRange(_stack.Wrongs);
        CutOff();
        Assert.Equal((false, 0, 0ul, 0ul), (dead.IsAlive, dead.PagesPresent, Host.Frames.Pins, Machine.PinnedPages));
        Assert.Equal(DmaStatus.Unclaimed, dead.Read(new(0), new byte[4]));
        _stack = await service.StartAgain(Machine);
        _device = new(_stack, Host.Loop);
    }

    // A device may have written until then, for all that is known.
    private void CutOff()
    {
        foreach ((_, ScatterList list, bool isIn, _) in _transfers)
        {
            if (isIn)
                _log.Touched((int)list.Start.Value, list.Length);
        }

        _transfers.Clear();
    }

    private async Task End()
    {
        await Settle();
        Load(0, _model.Length);
        Read(0, _model.Length);
        await Settle();
        Check();
        if (_log.IsOn)
            await _log.Toggle();
        if (new Random(_model[5]).Next(2) == 0)
            await Kill();
        await Host.Destroy(Machine);
        Assert.False(Monitor.IsAlive);
        Assert.Equal((0ul, 0ul, 0ul), (Host.Frames.Pins, Machine.PinnedPages, Host.Frames.CountOf(Machine.Owner)));
        Assert.Empty(_wrongs.Concat(_stack.Wrongs));
        Assert.Equal((0, 0ul), (_stack.Mapped, _stack.Allocated));
        byte[] bytes = new byte[PageBytes];
        for (ulong page = 0; page < Math.Min(_otherPage, OtherPages); page++)
        {
            Assert.True(_other.Cpu.TryRead(new(page * PageBytes), bytes));
            Assert.False(bytes.AsSpan().ContainsAnyExcept(Secret), "Bytes of the other VM changed.");
        }
    }

    // G1, G2, and what is pinned.
    private void Check()
    {
        int present = 0;
        for (ulong page = 0; page < GuestBytes / PageBytes; page++)
        {
            WindowPageState state = Monitor.StateOf(new(page * PageBytes));
            if (state != (_present.Contains(page) ? WindowPageState.Present : WindowPageState.Absent))
                Assert.Fail($"Page {page} is {state}.");
            if (state == WindowPageState.Absent)
                continue;
            present++;
            PhysicalAddress frame = Machine.Memory.Tables.Walk(new(page * PageBytes), EptRights.None).Address;
            if (Host.Frames.OwnerOf(frame) != Machine.Owner || Host.Frames.PinsOf(frame) == 0)
                Assert.Fail($"Page {page} shows {frame} of {Host.Frames.OwnerOf(frame)} with {Host.Frames.PinsOf(frame)} pins.");
        }

        Assert.Equal((present, _faults), (Monitor.PagesPresent, Monitor.Counts.Faults));
        Assert.Equal(Monitor.Counts.Faults, Monitor.Counts.Evictions + Monitor.Counts.ShootDowns + (ulong)present);
        Assert.Equal((ulong)present + Machine.PinnedPages, Host.Frames.Pins);
        Assert.True(_options.WindowPages is not { } most || present <= most);
    }

    private void AssertTouched(int address, int length)
    {
        if (_options is not { Access: MonitorAccess.Window, WindowPages: null } || _isLazy)
            return;
        for (int page = address / PageBytes; page <= (address + length - 1) / PageBytes; page++)
            Assert.Contains((ulong)page, _present);
    }

    private async Task<bool> Left(GuestPhysicalAddress page, ValueTask<PageRefusal> way)
    {
        PageRefusal refusal = await way;
        await Settle();
        bool isHeld = _transfers.Exists(transfer => transfer.IsDirect && transfer.List.Start.Page <= page.Page && page.Page <= (transfer.List.Start + (ulong)(transfer.List.Length - 1)).Page);
        if (isHeld)
            Assert.Equal(PageRefusal.Pinned, refusal);
        else
            Assert.Contains(refusal, (PageRefusal[])[PageRefusal.None, PageRefusal.NotResident]);
        if (refusal == PageRefusal.None)
            _log.Moved(page);
        Assert.True(refusal != PageRefusal.None || !_present.Contains(page.Page));
        return refusal == PageRefusal.None;
    }

    private async Task Overlap(GuestPhysicalAddress page, ValueTask<PageRefusal> way, Action meanwhile)
    {
        Task<PageRefusal> task = way.AsTask();
        meanwhile();
        if (await task == PageRefusal.None)
            _log.Moved(page);
    }
}
