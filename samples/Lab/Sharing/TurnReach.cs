using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Looks where requests of a controller land that VMs have in turns: in memory of the VM whose turn it is, or of another one.</summary>
/// <param name="controller">Whose requests count.</param>
internal sealed class TurnReach(SourceId controller)
{
    private readonly SortedDictionary<(string Turn, string Memory), ulong> _strays = [];
    private Host? _host;
    private TimeSharedController? _sharing;

    /// <summary>Requests of one VM's turn that reached memory of another VM, by both.</summary>
    public IReadOnlyList<StrayReach> Strays => [.. _strays.Select(static stray => new StrayReach(stray.Key.Turn, stray.Key.Memory, stray.Value))];

    /// <summary>Sees the requests that go through a fabric.</summary>
    public IDmaFabric Around(IDmaFabric fabric) => new WrappedFabric(fabric, port => port.Source == controller ? new Port(this, port) : port);

    /// <summary>From here on it counts.</summary>
    public void Open(Host host, TimeSharedController sharing) => (_host, _sharing) = (host, sharing);

    /// <summary>It counts no more.</summary>
    public void Close() => _sharing = null;

    // Tables tell where it lands: each change of them is followed by its invalidations before the controller goes on.
    private void Note(Iova address, bool isWrite, DmaAttributes attributes)
    {
        if (_host is not { } host || _sharing?.Owner is not { } turn)
            return;
        FrameOwner owner = host.Frames.OwnerOf(host.Unit.Explain(controller, address, isWrite, attributes).Target);
        if (!owner.IsGuest || owner == turn.Owner || _sharing.Machines.FirstOrDefault(machine => machine.Owner == owner) is not { } reached)
            return;
        (string, string) key = (turn.Name, reached.Name);
        _strays[key] = _strays.GetValueOrDefault(key) + 1;
    }

    private sealed class Port(TurnReach reach, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            DmaStatus status = inner.Read(address, destination, attributes);
            if (status == DmaStatus.Success)
                reach.Note(address, isWrite: false, attributes);
            return status;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            DmaStatus status = inner.Write(address, source, attributes);
            if (status == DmaStatus.Success)
                reach.Note(address, isWrite: true, attributes);
            return status;
        }
    }
}
