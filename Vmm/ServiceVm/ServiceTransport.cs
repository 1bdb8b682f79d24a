namespace Dma.Vmm;

/// <summary>How requests of front ends come to a service VM.</summary>
public enum ServiceTransport
{
    /// <summary>Both sides share the pages of the rings; whoever sleeps is woken.</summary>
    SharedRing,

    /// <summary>Each request is a call: the VMM copies it into memory of the service VM, which gets the processor, and copies the answer back.</summary>
    Call,
}
