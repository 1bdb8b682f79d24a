using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Writes down what address replacement does: who has address 0, and the first packet of each kind of each VM, with whoever answers to its address.</summary>
/// <param name="machine">The computer.</param>
/// <param name="next">Who sees the same.</param>
internal sealed class AddressWatch(SharedMachine machine, IBusShareObserver next) : IBusShareObserver
{
    private const int KindsMax = 1024;

    private readonly Dictionary<PacketKind, int> _rows = [];
    private readonly List<PacketRow> _packets = [];
    private readonly List<AddressZeroTurn> _turns = [];
    private (int Owner, ulong SinceNs) _zero = (-1, 0);

    /// <summary>Who had address 0, one after the other.</summary>
    public IReadOnlyList<AddressZeroTurn> Turns => _turns;

    /// <summary>The first packet of each kind, in time.</summary>
    public IReadOnlyList<PacketRow> Packets => _packets;

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use)
    {
        next.TokenHandled(use);
        (int count, int only) = use.Sent is { } sent ? AnsweredBy(sent.Address) : default;
        PacketKind kind = new(use.Set, use.Asked.Address, use.Sent?.Address ?? -1, use.Asked.Endpoint, use.Asked.Pid, use.Answer, count, only);
        if (_rows.TryGetValue(kind, out int row))
        {
            _packets[row] = _packets[row] with { Times = _packets[row].Times + 1 };
            return;
        }

        if (_packets.Count == KindsMax)
            return;
        _rows.Add(kind, _packets.Count);
        _packets.Add(new(
            machine.Host.Loop.NowNs,
            use.Set,
            machine.Machines[use.Set].Name,
            use.Asked.Address,
            use.Sent?.Address,
            use.Asked.Endpoint,
            use.Asked.Pid.ToString().ToUpperInvariant(),
            use.Answer == UsbPid.None ? "" : use.Answer.ToString().ToUpperInvariant(),
            use.Sent is null ? [] : Devices(use.Sent.Value.Address),
            1));
    }

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs)
    {
        next.AddressZeroMoved(owner, nowNs);
        if (_zero.Owner >= 0)
            _turns.Add(new(machine.Machines[_zero.Owner].Name, _zero.SinceNs, nowNs));
        _zero = (owner, nowNs);
    }

    /// <inheritdoc/>
    public void BusUsed(in BusUse use) => next.BusUsed(use);

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => next.AddressChanged(change);

    // How many devices at root ports have an address, and the first of them.
    private (int Count, int First) AnsweredBy(byte address)
    {
        (int count, int first) = (0, 0);
        for (int number = machine.Machines.Count - 1; number >= 0; number--)
        {
            if (Has(number, address))
                (count, first) = (count + 1, number);
        }

        return (count, first);
    }

    private string[] Devices(byte address) =>
        [.. Enumerable.Range(0, machine.Machines.Count).Where(number => Has(number, address)).Select(number => machine.Machines[number].Name)];

    private bool Has(int number, byte address) => machine.Controller.Usb.Ports[number] is { Passes: true, Device: { } device } && device.Address == address;

    // What makes packets differ for a person; the bus address is -1 where nothing was sent.
    private readonly record struct PacketKind(int Set, byte Asked, int Sent, byte Endpoint, UsbPid Pid, UsbPid Answer, int Answering, int First);
}
