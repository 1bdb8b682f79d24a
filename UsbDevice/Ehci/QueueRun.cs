using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A visit to a queue head under way.</summary>
internal struct QueueRun
{
    /// <summary>The queue head as it will be written back.</summary>
    public QueueHead Head;

    /// <summary>Under which circumstances.</summary>
    public VisitContext Context;

    /// <summary>Nanoseconds that the wire has been busy.</summary>
    public uint WireNs;

    /// <summary>Bits of USBSTS to set at the next threshold.</summary>
    public uint Posts;

    /// <summary>Whether <see cref="Head"/> differs from memory.</summary>
    public bool IsDirty;

    /// <summary>Whether no further transaction may follow in this visit.</summary>
    public bool IsOver;

    /// <summary>Whether the device is not on the bus: nothing takes time there.</summary>
    public bool IsInside;

    /// <summary>Whether the bus refused a write that the controller hears of.</summary>
    public bool HasFault;

    /// <summary>The token of the overlay.</summary>
    public readonly TransferToken Token => Head.Overlay.Token;

    /// <summary>Where in its page the data is.</summary>
    public readonly int Offset => Head.Overlay.Page0.Offset;

    /// <summary>Nanoseconds that are left of the microframe.</summary>
    public readonly uint LeftNs => Context.BudgetNs - WireNs;

    /// <summary>How the visit goes on after a transaction.</summary>
    public readonly VisitOutcome Done => HasFault ? VisitOutcome.Fault : VisitOutcome.Transacted;

    /// <summary>The wire was busy; not longer than the microframe, whatever a device did.</summary>
    public void Spend(uint wireNs) => WireNs += IsInside ? 0 : Math.Min(wireNs, LeftNs);

    /// <summary>Puts a token into the overlay.</summary>
    public void SetToken(TransferToken token)
    {
        IsDirty = true;
        Head = Head with { Overlay = Head.Overlay with { Token = token } };
    }

    /// <summary>Puts a token and an offset into the overlay.</summary>
    public void SetToken(TransferToken token, int offset)
    {
        IsDirty = true;
        Head = Head with { Overlay = Head.Overlay with { Token = token, Page0 = Head.Overlay.Page0 with { Offset = offset } } };
    }
}
