namespace Dma.Vmm;

/// <summary>The share of a front end in a controller that others use too.</summary>
/// <param name="gate">What all of them go through.</param>
/// <param name="flow">Which front end it is.</param>
internal sealed class TransferShare(FairGate gate, int flow)
{
    /// <summary>Waits for a place.</summary>
    /// <param name="bytes">Bytes of the transfer.</param>
    public ValueTask<TransferTurn> Enter(int bytes) => gate.Enter(flow, bytes);
}
