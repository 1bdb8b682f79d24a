using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The back end on the host, before which a hostile front end plays.</summary>
/// <param name="host">The host, booted.</param>
/// <param name="stack">Its stack.</param>
/// <param name="grants">What the back end has in place of the grant table.</param>
internal sealed class HostGround(Host host, FakeHostUsb stack, Func<VirtualMachine, IGrants>? grants = null) : IHostileGround
{
    private FrontEndMemory _memory = null!;
    private FakeHostUsbDevice _othersDevice = null!;
    private UsbDeviceAssignment _assignment = null!;
    private UsbBackEndOptions _options = new();
    private UsbBackEnd _backEnd = null!;

    public FakeHostUsb Stack => stack;

    public FakeHostUsbDevice Device { get; private set; } = null!;

    public int OthersCalls => _othersDevice.Calls;

    public bool AnswersEach => true;

    public int Outstanding => _backEnd.Outstanding;

    public (uint Requests, uint Responses) Counts => _backEnd.Counts;

    public bool IsBroken => _backEnd.IsBroken;

    public void Open(FrontEndMemory memory, int seed)
    {
        _memory = memory;
        Device = new(stack, host.Loop, seed, FrontEndMemory.Mark, bytes =>
        {
            if (memory.FindLeak(bytes) is { } page)
                stack.Wrongs.Add($"Page {page} was read and not granted.");
        });
        _othersDevice = new(stack, host.Loop, seed, mark: 0xEE);
        _options = new() { Grants = grants?.Invoke(memory.Guest), CopiedBytesMax = seed % 2 == 0 ? 1024 : 0 };
        _backEnd = new(memory.Guest, stack, _options);
        UsbBackEnd others = new(memory.Other, stack);
        _assignment = new(Device);
        Assert.True(Run(() => _assignment.Assign(_backEnd)));
        Assert.True(Run(() => new UsbDeviceAssignment(_othersDevice).Assign(others)));
    }

    public void Replug()
    {
        Assert.True(Run(_assignment.TakeBack));
        Assert.Equal(0, stack.Mapped);
        Assert.True(Run(() => _assignment.Assign(_backEnd)));
    }

    public void Stop() => host.Loop.Run(() => _backEnd.Stop().AsTask());

    public void Start()
    {
        Assert.True(Run(_assignment.TakeBack));
        _backEnd = new(_memory.Guest, stack, _options);
        Assert.True(Run(() => _assignment.Assign(_backEnd)));
    }

    public void AssertReturned() => Assert.Equal(UsbDeviceState.Host, _assignment.State);

    public void Close()
    {
    }

    private bool Run(Func<ValueTask<bool>> software) => host.Loop.Run(() => software().AsTask());
}
