using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The back end of the split driver as software of a service VM: it serves the front ends of several VMs.</summary>
/// <remarks>
/// Rings, rules and the way of a request are those of the back end on the host (<see cref="UsbBackEnd"/>). What it knows of
/// guests is a number for each, and what it has of them is what the VMM maps or copies for it. Each has its own rings and its own
/// places for requests; before the controller they share as <see cref="FairGate"/> decides.
/// </remarks>
public sealed class ServiceBackEnd
{
    private readonly Processor _processor;
    private readonly ServiceCalls _calls;
    private readonly Signal _changes;
    private readonly ServedFrontEnd[] _frontEnds;

    private ServiceBackEnd(ICpu cpu, ServiceCalls calls, FrameAllocator frames, IUsbStack stack, ServiceBackEndOptions options, byte vector, int count)
    {
        (_processor, _calls, _changes) = (cpu.Processor, calls, cpu.Vector(vector));
        Gate = new(cpu.Processor.Loop, count, options.Sharing);
        _frontEnds = new ServedFrontEnd[count];
        for (int number = 0; number < count; number++)
        {
            UrbJournal? journal = options.Watch is { } watch ? new(watch, number) : null;
            UrbExecutor executor = new(stack, new ServiceFrontEndMemory(stack, calls, number), options.CopiedBytesMax, new(Gate, number), options.LooksAhead, journal);
            MemoryBuffer pages = Allocate(cpu, frames, 2);
            _frontEnds[number] = new(cpu, calls, executor, new(stack), number, cpu.Vector((byte)(vector + 1 + number)), pages, journal);
        }
    }

    /// <summary>What all transfers go through.</summary>
    public FairGate Gate { get; }

    /// <summary>Tells the VMM that it is ready, and serves from then on.</summary>
    /// <param name="cpu">The processor of the service VM.</param>
    /// <param name="gate">The way to the VMM.</param>
    /// <param name="frames">Where its own memory comes from.</param>
    /// <param name="stack">The USB stack of the service VM.</param>
    /// <param name="vector">The first of its vectors, as <see cref="Hypercall.ServeUsb"/> says.</param>
    /// <param name="options">How it works.</param>
    /// <exception cref="InvalidOperationException">The VMM does not let this VM serve, or memory is used up.</exception>
    public static async ValueTask<ServiceBackEnd> Start(
        ICpu cpu, IHypercallGate gate, FrameAllocator frames, IUsbStack stack, byte vector, ServiceBackEndOptions? options = null)
    {
        _ = cpu.Vector(vector);
        ServiceCalls calls = new(cpu, gate, Allocate(cpu, frames, 1));
        HypercallResult result = await gate.Call(Hypercall.ServeUsb, vector);
        if (result.Refusal != DmaRefusal.None)
            throw new InvalidOperationException($"The VMM does not let it serve: {result.Refusal}.");
        ServiceBackEnd backEnd = new(cpu, calls, frames, stack, options ?? new(), vector, (int)result.Value);
        cpu.Processor.Loop.Start(backEnd.Serve);
        return backEnd;
    }

    /// <summary>How many requests of a front end have no response yet.</summary>
    public int OutstandingOf(int frontEnd) => _frontEnds[frontEnd].Ports.Connection?.Outstanding ?? 0;

    /// <summary>How many requests of a front end were taken since it connected, and how many responses it was given.</summary>
    public (uint Requests, uint Responses) CountsOf(int frontEnd) => _frontEnds[frontEnd].Ports.Connection?.Counts ?? default;

    /// <summary>Whether a front end broke the rules of its ring: nothing is taken from it any more until it connects anew.</summary>
    public bool IsBroken(int frontEnd) => _frontEnds[frontEnd].Ports.Connection is { IsBroken: true };

    /// <summary>Rows of isochronous packets of a front end: in time, too late, and slots that were blank.</summary>
    public (ulong InTime, ulong Expired, ulong Blanks) RowsOf(int frontEnd)
    {
        (ulong, ulong, ulong) sum = default;
        foreach (LookAheadQueue queue in _frontEnds[frontEnd].Ports.All.OfType<BackEndPort>().SelectMany(port => port.LookAheads))
            sum = (sum.Item1 + queue.InTime, sum.Item2 + queue.Expired, sum.Item3 + queue.Blanks);
        return sum;
    }

    /// <summary>How many rows of isochronous packets the controller is given ahead.</summary>
    /// <param name="rowNs">How long a row takes, in nanoseconds.</param>
    public static int RowsAheadOf(ulong rowNs) => LookAheadQueue.RowsAhead(rowNs);

    /// <summary>Gives a device to a front end.</summary>
    /// <param name="frontEnd">Its number.</param>
    /// <param name="device">The device, of the stack that was named; it was just reset.</param>
    /// <returns><c>false</c>, and nothing changed, where no port is left for it, or it talks at a speed that none has.</returns>
    public ValueTask<bool> Attach(int frontEnd, IHostUsbDevice device) => _frontEnds[frontEnd].Ports.Attach(device);

    /// <summary>Takes a device from a front end; when it completes, nothing of it is under way to the device.</summary>
    public ValueTask Detach(int frontEnd, IHostUsbDevice device) => _frontEnds[frontEnd].Ports.Detach(device);

    private static MemoryBuffer Allocate(ICpu cpu, FrameAllocator frames, int pages) =>
        frames.TryAllocate((ulong)pages, FrameAllocator.FrameSize, out GuestPhysicalAddress first)
            ? new(cpu, first, pages * SharedRing.PageBytes)
            : throw new InvalidOperationException("No frame is left for a back end.");

    private async Task Serve()
    {
        const ulong Connects = 1;
        const ulong CallsFlag = 1 << 16;
        while (true)
        {
            HypercallResult news = await _calls.Gate.Call(Hypercall.NextUsbChange);
            if (news.Refusal == DmaRefusal.NotMapped)
                _ = await _processor.Wait(_changes);
            else if (news.Refusal != DmaRefusal.None)
                return;
            else
                _processor.Loop.Start(() => Change((int)(news.Value & byte.MaxValue), (news.Value >> 8 & byte.MaxValue) == Connects, (news.Value & CallsFlag) != 0).AsTask());
        }
    }

    private ValueTask Change(int number, bool connects, bool isCalled) =>
        connects ? _frontEnds[number].Connect(isCalled) : _frontEnds[number].Disconnect();
}
