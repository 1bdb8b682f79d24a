namespace Dma.UsbDevice.Spec;

/// <summary>bCSWStatus (USB mass storage bulk-only, command status wrapper).</summary>
public enum CommandStatus : byte
{
    /// <summary>The command passed.</summary>
    Passed = 0,

    /// <summary>The command failed; sense data says why.</summary>
    Failed = 1,

    /// <summary>Host and device disagreed about the data; only a reset recovers.</summary>
    PhaseError = 2,
}
