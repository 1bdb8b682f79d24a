using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>wValue of CLEAR_FEATURE and SET_FEATURE for a port of a hub (USB 2.0, hub class feature selectors).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are numbers of features, not flags.")]
public enum PortFeature : ushort
{
    /// <summary>PORT_CONNECTION.</summary>
    Connection = 0,

    /// <summary>PORT_ENABLE; can only be cleared.</summary>
    Enable = 1,

    /// <summary>PORT_SUSPEND.</summary>
    Suspend = 2,

    /// <summary>PORT_OVER_CURRENT.</summary>
    OverCurrent = 3,

    /// <summary>PORT_RESET; can only be set.</summary>
    Reset = 4,

    /// <summary>PORT_POWER.</summary>
    Power = 8,

    /// <summary>PORT_LOW_SPEED.</summary>
    LowSpeed = 9,

    /// <summary>C_PORT_CONNECTION.</summary>
    ConnectionChange = 16,

    /// <summary>C_PORT_ENABLE.</summary>
    EnableChange = 17,

    /// <summary>C_PORT_SUSPEND.</summary>
    SuspendChange = 18,

    /// <summary>C_PORT_OVER_CURRENT.</summary>
    OverCurrentChange = 19,

    /// <summary>C_PORT_RESET.</summary>
    ResetChange = 20,

    /// <summary>PORT_TEST.</summary>
    Test = 21,

    /// <summary>PORT_INDICATOR.</summary>
    Indicator = 22,
}
