using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The back end in a service VM, before which a hostile front end plays; another VM is served beside it.</summary>
internal sealed class ServiceGround : IHostileGround
{
    private const ulong MiB = 1 << 20;
    private const ulong BlanksNs = 40_000_000;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly Host _host;
    private readonly SourceId _device;
    private readonly ServiceVmOptions _options;
    private VirtualMachine _machine = null!;
    private Vmm.ServiceVm _service = null!;
    private ServiceBackEnd _backEnd = null!;
    private FakeServiceUsb _stack = null!;
    private FakeHostUsbDevice _othersDevice = null!;
    private FrontEndMemory _memory = null!;
    private int _seed;

    /// <summary>A service VM that is not there yet.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="device">A device for it, so that it has a domain.</param>
    /// <param name="options">What the VMM does for it.</param>
    public ServiceGround(Host host, SourceId device, ServiceVmOptions options) => (_host, _device, _options) = (host, device, options);

    public FakeHostUsb Stack => _stack;

    public FakeHostUsbDevice Device { get; private set; } = null!;

    public int OthersCalls => _othersDevice.Calls;

    public bool AnswersEach => _options.Transport == ServiceTransport.Call;

    public int Outstanding => _backEnd.OutstandingOf(0);

    public (uint Requests, uint Responses) Counts => _backEnd.CountsOf(0);

    public bool IsBroken => _backEnd.IsBroken(0) || _service.IsBroken(_memory.Guest);

    public void Open(FrontEndMemory memory, int seed)
    {
        (_memory, _seed) = (memory, seed);
        Start();
    }

    public void Replug() => Run(async () =>
    {
        await _backEnd.Detach(0, Device);
        Assert.Equal(0, Outstanding);
        Assert.True(await _backEnd.Attach(0, Device));
    });

    /// <inheritdoc/>
    /// <remarks>It crashes.</remarks>
    public void Stop() => Run(() => _host.Destroy(_machine).AsTask());

    public void Start()
    {
        _machine = _host.CreateMachine("service VM", 4 * MiB);
        _machine.Mapping = new() { Policy = MappingPolicy.Static };
        Run(async () =>
        {
            Assert.True((await _host.AssignmentOf(_device).Assign(_machine, _place)).IsDone);
            _service = new(_machine, _options);
            Assert.Equal(0, _service.Serve(_memory.Guest));
            Assert.Equal(1, _service.Serve(_memory.Other));
            int copied = (_seed % 3) switch { 0 => 0, 1 => 1024, _ => int.MaxValue };
            IReadOnlyList<string> wrongs = _stack is { } before ? before.Wrongs : [];
            _stack = new(_machine, _host.AssignmentOf(_device).Domain!, DataPages);
            _stack.Wrongs.AddRange(wrongs);
            _backEnd = await ServiceBackEnd.Start(_machine.Cpu, _machine.Cpu, new(new(3 * MiB), MiB), _stack, 0x50, new() { CopiedBytesMax = copied, LooksAhead = _seed % 2 == 0 });
            Device = new(_stack, _host.Loop, _seed, FrontEndMemory.Mark, bytes =>
            {
                if (_memory.FindLeak(bytes) is { } page)
                    _stack.Wrongs.Add($"Page {page} was read and not granted.");
            });
            _othersDevice = new(_stack, _host.Loop, _seed, mark: 0xEE);
            Assert.True(await _backEnd.Attach(0, Device));
            Assert.True(await _backEnd.Attach(1, _othersDevice));
        });
    }

    public void AssertReturned()
    {
        Assert.DoesNotContain(_memory.Guest, _service.Served);

        // A stream goes on for a few blanks, which are the service VM's own.
        _host.Loop.RunFor(BlanksNs);
    }

    public void Close()
    {
        if (_machine.IsRunning)
            Stop();
    }

    // Rings are mapped as long as a front end is connected and shares them.
    private int DataPages()
    {
        int pages = _service.PagesMappedOf(_memory.Guest);
        return pages >= 2 && !AnswersEach ? pages - 2 : pages;
    }

    private void Run(Func<Task> software) => _host.Loop.Run(software);
}
