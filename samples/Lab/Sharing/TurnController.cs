namespace Dma.Lab;

/// <summary>The kinds of controllers that VMs can have in turns.</summary>
public enum TurnController
{
    /// <summary>An EHCI controller.</summary>
    Ehci,

    /// <summary>An xHCI controller.</summary>
    Xhci,
}
