using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Where events go, and what follows from a change of an endpoint's state.</summary>
internal interface IXhciEvents
{
    /// <summary>Whether the event ring of an interrupter takes more; what would make events for it waits until it does.</summary>
    bool HasRoom(int interrupter);

    /// <summary>Puts an event onto the ring of an interrupter.</summary>
    /// <param name="interrupter">Which one; 0 in place of one that is not there.</param>
    /// <param name="trb">The event.</param>
    /// <param name="blocksInterrupt">BEI: it does not interrupt.</param>
    void Add(int interrupter, Trb trb, bool blocksInterrupt = false);

    /// <summary>State and dequeue pointer of an endpoint go into its context in memory.</summary>
    void WriteBack(XhciEndpoint endpoint);
}
