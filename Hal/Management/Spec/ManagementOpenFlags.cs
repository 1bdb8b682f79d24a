namespace Dma.Hal.Spec;

/// <summary>How a file is opened (management device, argument of the command 00h).</summary>
[Flags]
public enum ManagementOpenFlags
{
    /// <summary>For reading alone.</summary>
    None = 0,

    /// <summary>Bit 0: for writing, too.</summary>
    Write = 1 << 0,

    /// <summary>Bit 1: it is made where it is not there; only together with <see cref="Write"/>.</summary>
    Create = 1 << 1,

    /// <summary>Bit 2: it begins empty; only together with <see cref="Write"/>.</summary>
    Truncate = 1 << 2,
}
