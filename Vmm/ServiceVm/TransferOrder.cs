namespace Dma.Vmm;

/// <summary>Whose transfer is next where several front ends wait for the controller.</summary>
public enum TransferOrder
{
    /// <summary>Deficit round robin: each in turn as many bytes as the others.</summary>
    DeficitRoundRobin,

    /// <summary>Whoever came first: who asks for more gets more. For experiments.</summary>
    FirstComeFirstServed,
}
