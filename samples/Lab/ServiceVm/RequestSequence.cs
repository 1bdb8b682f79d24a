using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what one request of a VM costs, whom, and when.</summary>
internal sealed class RequestSequence : IUrbWatch
{
    private readonly EventLoop _loop;
    private readonly CostModel _costs;
    private readonly List<SequenceStep> _steps = [];
    private readonly List<(Processor Processor, Action<Cost, ulong> Charging)> _watched = [];
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
        foreach ((Processor processor, Action<Cost, ulong> charging) in _watched)
            processor.Charging -= charging;
        return _steps;
    }

    private void Watch(Processor processor)
    {
        void Charged(Cost cost, ulong times)
        {
            ulong ns = _costs.Nanoseconds(cost, times);
            Add(processor.Name, cost == Cost.CopiedByte ? $"{times} bytes copied" : CostNames.Of(cost), ns);
        }

        processor.Charging += Charged;
        _watched.Add((processor, Charged));
    }

    private void Add(string who, string what, ulong costNs) => _steps.Add(new(_loop.NowNs - _startNs, who, what, costNs));
}
