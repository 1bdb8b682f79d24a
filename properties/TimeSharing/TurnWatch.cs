using System.Buffers.Binary;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Checks each stretch of time of a controller that is shared: none is missing or doubled, one VM at most has it, and it is quiet between turns.</summary>
/// <param name="controller">Whose requests count.</param>
internal sealed class TurnWatch(SourceId controller) : ITurnObserver
{
    // Behind the window of addresses that drivers are given: into what lies there the controller saves its state.
    private const ulong RegionStart = DmaMappings.WindowStart + DmaMappings.WindowLength;
    private const ulong RegionEnd = RegionStart + (1 << 20);
    private const int SegmentBytes = 16;
    private const int TrbTypeOffset = 12;

    private readonly CompletionWatch _completions = new();
    private ulong _requests;
    private ulong _tableReads;
    private ulong? _startNs;
    private ulong? _endNs;

    public TurnLedger Ledger { get; } = new();

    /// <summary>Requests of the controller between turns.</summary>
    public ulong Strays { get; private set; }

    /// <summary>Interrupts before which no status was written that they could tell of (U3).</summary>
    public ulong Premature => _completions.Premature;

    /// <summary>Whether the controller interrupts for something that it does not write into memory.</summary>
    public Func<bool> HasOtherCause { get; set; } = static () => false;

    /// <summary>When MFINDEX wrap events were written.</summary>
    public List<ulong> WrapsNs { get; } = [];

    /// <summary>The time.</summary>
    public Func<ulong> NowNs { get; set; } = static () => 0;

    /// <summary>From the beginning of the first stretch to the end of the last one.</summary>
    public ulong SeenNs { get; private set; }

    /// <summary>Called for each stretch.</summary>
    public Action<TurnSpan> Seen { get; set; } = static _ => { };

    /// <summary>Sees the requests that go through a fabric.</summary>
    public IDmaFabric Around(IDmaFabric fabric) => new WrappedFabric(fabric, port => port.Source == controller ? new Port(this, port) : port);

    public void Passed(in TurnSpan span)
    {
        // Ownership and switches together are all of the time.
        Assert.True(_endNs is null || _endNs == span.StartNs);
        Assert.True(span.EndNs >= span.StartNs);
        Assert.Equal(span.Phase != TurnPhase.Idle, span.Machine is not null);
        _startNs ??= span.StartNs;
        _endNs = span.EndNs;
        SeenNs = span.EndNs - _startNs.Value;

        // What is under way at the end of a turn may end while the controller comes to a stop, and no later. A controller that gets its event rings back looks where they are.
        if (span.Phase is not (TurnPhase.Run or TurnPhase.Quiesce))
            Strays += _requests + (span.Phase == TurnPhase.Load ? 0 : _tableReads);
        (_requests, _tableReads) = (0, 0);
        Ledger.Passed(span);
        Seen(span);
    }

    private void Note(Iova address, bool isTable)
    {
        if (address.Value is >= RegionStart and < RegionEnd)
            return;
        if (isTable)
            _tableReads++;
        else
            _requests++;
    }

    private sealed class Port(TurnWatch watch, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            watch.Note(address, isTable: destination.Length == SegmentBytes);
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            watch.Note(address, isTable: false);
            watch._completions.Saw(address, source, watch.HasOtherCause);
            if (source.Length == Trb.Size && BinaryPrimitives.ReadUInt32LittleEndian(source[TrbTypeOffset..]) >> 10 == (uint)TrbType.MicroframeWrap)
                watch.WrapsNs.Add(watch.NowNs());
            return inner.Write(address, source, attributes);
        }
    }
}
