namespace Dma.UsbDevice;

/// <summary>All wires of a controller: those of USB 2 carry both directions, those of USB 3 one each.</summary>
internal sealed class BusLanes
{
    private readonly BusLane[][] _lanes;

    /// <summary>The wires of all root ports.</summary>
    public BusLanes(FrameClock frames, IReadOnlyList<RootPort> ports, TransferExecutor executor) =>
        _lanes = [.. ports.Select(port => Enumerable.Range(0, port.Bus.Speed == UsbSpeed.Super ? 2 : 1).Select(_ => new BusLane(frames, port, executor)).ToArray())];

    /// <summary>Whether an endpoint waits for a wire.</summary>
    public bool HaveWork
    {
        get
        {
            foreach (BusLane[] wires in _lanes)
            {
                foreach (BusLane wire in wires)
                {
                    if (wire.HasWork)
                        return true;
                }
            }

            return false;
        }
    }

    /// <summary>An endpoint has work from now on.</summary>
    /// <param name="port">The root port on the way to its device.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="nowNs">The time.</param>
    public void Add(RootPort port, XhciEndpoint endpoint, ulong nowNs)
    {
        BusLane[] wires = _lanes[port.Index];
        wires[endpoint.IsIn ? wires.Length - 1 : 0].Add(endpoint, nowNs);
    }

    /// <summary>Nobody waits any more.</summary>
    public void Clear()
    {
        foreach (BusLane[] wires in _lanes)
            Array.ForEach(wires, static wire => wire.Clear());
    }

    /// <summary>When a wire is free and somebody may want it.</summary>
    public ulong NextNs(ulong nowNs)
    {
        ulong next = BusLane.Never;
        foreach (BusLane[] wires in _lanes)
        {
            foreach (BusLane wire in wires)
                next = Math.Min(next, wire.NextNs(nowNs));
        }

        return next;
    }

    /// <summary>Lets endpoints have their turns wherever a wire is free.</summary>
    /// <param name="nowNs">The time.</param>
    /// <param name="memory">Where nothing goes on once the bus of the computer has failed.</param>
    public void Run(ulong nowNs, XhciMemory memory)
    {
        foreach (BusLane[] wires in _lanes)
        {
            foreach (BusLane wire in wires)
            {
                if (memory.HasFailed || (wire.NextNs(nowNs) <= nowNs && !wire.Run(nowNs)))
                    return;
            }
        }
    }
}
