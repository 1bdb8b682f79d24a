using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTSC bits 8:5 (xHCI, port status and control register).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are numbers, not flags.")]
public enum PortLinkState
{
    /// <summary>Packets pass.</summary>
    U0 = 0,

    /// <summary>Sleeps lightly.</summary>
    U1 = 1,

    /// <summary>Sleeps; L1 of a USB 2 port.</summary>
    U2 = 2,

    /// <summary>Suspended.</summary>
    U3 = 3,

    /// <summary>Disabled.</summary>
    Disabled = 4,

    /// <summary>Looks for a device.</summary>
    RxDetect = 5,

    /// <summary>Failed; a warm reset is needed.</summary>
    Inactive = 6,

    /// <summary>Trains; a USB 2 port that was not reset yet.</summary>
    Polling = 7,

    /// <summary>Trains anew.</summary>
    Recovery = 8,

    /// <summary>Reset is signalled.</summary>
    HotReset = 9,

    /// <summary>Measured by a test instrument.</summary>
    Compliance = 10,

    /// <summary>In a test mode.</summary>
    Test = 11,

    /// <summary>Resume is signalled.</summary>
    Resume = 15,
}
