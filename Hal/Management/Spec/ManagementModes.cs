namespace Dma.Hal.Spec;

/// <summary>What a management device does for its guest (management device, register 08h).</summary>
/// <remarks>Several can be on. Turning one off ends all of it that is under way: files are closed, names withdrawn, waiting requests cancelled.</remarks>
[Flags]
public enum ManagementModes
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Bit 0: files of a folder that the host granted.</summary>
    Files = 1 << 0,

    /// <summary>Bit 1: statistics, from the guest to the VMM and back.</summary>
    Statistics = 1 << 1,

    /// <summary>Bit 2: messages between VMs, and with the host.</summary>
    Chat = 1 << 2,

    /// <summary>Bit 3: calculation by the host.</summary>
    Calculation = 1 << 3,

    /// <summary>All of them.</summary>
    All = Files | Statistics | Chat | Calculation,
}
