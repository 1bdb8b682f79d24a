using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Checks each stretch of time of a controller that is shared: none is missing or doubled, one VM at most has it, and it is quiet between turns.</summary>
/// <param name="controller">Whose requests count.</param>
internal sealed class TurnWatch(SourceId controller) : ITurnObserver
{
    private ulong _requests;
    private ulong _requestsBefore;
    private ulong? _startNs;
    private ulong? _endNs;

    public TurnLedger Ledger { get; } = new();

    /// <summary>Requests of the controller between turns.</summary>
    public ulong Strays { get; private set; }

    /// <summary>From the beginning of the first stretch to the end of the last one.</summary>
    public ulong SeenNs { get; private set; }

    /// <summary>Called for each stretch.</summary>
    public Action<TurnSpan> Seen { get; set; } = static _ => { };

    /// <summary>Sees the requests that go through a fabric.</summary>
    public IDmaFabric Around(IDmaFabric fabric) => new Fabric(this, fabric);

    public void Passed(in TurnSpan span)
    {
        // Ownership and switches together are all of the time.
        Assert.True(_endNs is null || _endNs == span.StartNs);
        Assert.True(span.EndNs >= span.StartNs);
        Assert.Equal(span.Phase != TurnPhase.Idle, span.Machine is not null);
        _startNs ??= span.StartNs;
        _endNs = span.EndNs;
        SeenNs = span.EndNs - _startNs.Value;

        // What is under way at the end of a turn may end while the schedules come to a stop, and no later.
        if (span.Phase is not (TurnPhase.Run or TurnPhase.Quiesce))
            Strays += _requests - _requestsBefore;
        _requestsBefore = _requests;
        Ledger.Passed(span);
        Seen(span);
    }

    private sealed class Fabric(TurnWatch watch, IDmaFabric inner) : IDmaFabric
    {
        public IDmaPort Open(SourceId source) => source == watch.Controller ? new Port(watch, inner.Open(source)) : inner.Open(source);

        public void Connect(SourceId source, IDeviceTlb? deviceTlb) => inner.Connect(source, deviceTlb);
    }

    private SourceId Controller => controller;

    private sealed class Port(TurnWatch watch, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            watch._requests++;
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            watch._requests++;
            return inner.Write(address, source, attributes);
        }
    }
}
