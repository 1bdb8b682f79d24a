using Dma.Hal;

namespace Dma.Vmm;

/// <summary>Who answers the hypercalls of a front end: the back end itself, or the way to a service VM that has one.</summary>
internal interface IFrontEndServer
{
    /// <summary>Answers <see cref="Hypercall.ConnectUsb"/>.</summary>
    ValueTask<HypercallResult> Connect(ulong requests, ulong plugs, ulong vector);

    /// <summary>Answers <see cref="Hypercall.NotifyUsb"/>.</summary>
    DmaRefusal Notify();

    /// <summary>Answers <see cref="Hypercall.DisconnectUsb"/>.</summary>
    ValueTask<DmaRefusal> Disconnect();
}
