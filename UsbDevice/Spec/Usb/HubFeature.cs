namespace Dma.UsbDevice.Spec;

/// <summary>wValue of CLEAR_FEATURE and SET_FEATURE for a hub as a whole (USB 2.0, hub class feature selectors).</summary>
public enum HubFeature : ushort
{
    /// <summary>C_HUB_LOCAL_POWER.</summary>
    LocalPowerChange = 0,

    /// <summary>C_HUB_OVER_CURRENT.</summary>
    OverCurrentChange = 1,
}
