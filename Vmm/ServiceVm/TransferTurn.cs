namespace Dma.Vmm;

/// <summary>A place of a transfer among those that are under way.</summary>
public sealed class TransferTurn
{
    private readonly FairGate _gate;
    private readonly int _flow;
    private bool _isOver;

    internal TransferTurn(FairGate gate, int flow) => (_gate, _flow) = (gate, flow);

    /// <summary>The transfer has ended.</summary>
    public void Leave()
    {
        if (!_isOver)
            _gate.Leave();
        _isOver = true;
    }

    /// <summary>It had its place for too long: the next one gets it, and the transfer goes on.</summary>
    internal void TakeAway()
    {
        if (_isOver)
            return;
        _gate.Charge(_flow);
        Leave();
    }
}
