namespace Dma.UsbDevice.Spec;

/// <summary>wValue of SET_CONTROL_LINE_STATE (USB CDC PSTN, abstract control model).</summary>
[Flags]
public enum ControlLines : ushort
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>DTR: somebody is there.</summary>
    DataTerminalReady = 1 << 0,

    /// <summary>RTS: carrier on.</summary>
    RequestToSend = 1 << 1,
}
