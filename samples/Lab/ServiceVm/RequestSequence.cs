using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what one request of a VM costs, whom, and when.</summary>
internal sealed class RequestSequence : IUrbWatch
{
    private readonly EventLoop _loop;
    private readonly CostModel _costs;
    private readonly List<SequenceStep> _steps = [];
    private readonly List<Processor> _watched = [];
    private readonly string _service;
    private readonly ulong _startNs;

    /// <summary>Begins to write.</summary>
    /// <param name="machine">The computer.</param>
    /// <param name="guest">Which VM.</param>
    /// <param name="what">What it does.</param>
    public RequestSequence(ServiceMachine machine, int guest, string what = "asks")
    {
        (_loop, _costs, _startNs, _service) = (machine.Host.Loop, machine.Host.Options.Costs, machine.Host.Loop.NowNs, machine.Processor.Name);
        Watch(machine.Guests[guest].Cpu.Processor);
        Watch(machine.Processor);
        Watch(machine.Host.Cpu.Processor);
        Add(machine.Guests[guest].Name, what, 0);
    }

    /// <inheritdoc/>
    public void Reached(int frontEnd, ushort id, UrbStage stage) => Add(_service, $"request {stage.ToString().ToLowerInvariant()}", 0);

    /// <summary>Ends it.</summary>
    /// <param name="who">Who has what was asked for.</param>
    /// <param name="what">What that means.</param>
    public IReadOnlyList<SequenceStep> End(string who, string what = "has the answer")
    {
        Add(who, what, 0);
        foreach (Processor processor in _watched)
            processor.Charging = null;
        return _steps;
    }

    private void Watch(Processor processor)
    {
        _watched.Add(processor);
        processor.Charging = (cost, times) =>
        {
            ulong ns = _costs.Nanoseconds(cost, times);
            Add(processor.Name, cost == Cost.CopiedByte ? $"{times} bytes copied" : NameOf(cost), ns);
        };
    }

    private static string NameOf(Cost cost) => cost switch
    {
        Cost.Exit => "exit",
        Cost.Hypercall => "hypercall",
        Cost.InterruptInjection => "interrupt injected",
        Cost.Invalidation => "invalidation",
        Cost.RegisterAccess => "register access",
        Cost.MachineSwitch => "comes onto the processor",
        Cost.Copy => "copy begins",
        Cost.Upcall => "process woken",
        _ => cost.ToString(),
    };

    private void Add(string who, string what, ulong costNs) => _steps.Add(new(_loop.NowNs - _startNs, who, what, costNs));
}
