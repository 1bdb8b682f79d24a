using System.Diagnostics.CodeAnalysis;

namespace Dma.Iommu.Spec;

/// <summary>How a processor takes an interrupt (VT-d, DLM); other encodings are reserved.</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are a field of three bits, not flags.")]
public enum InterruptDeliveryMode
{
    /// <summary>000.</summary>
    Fixed = 0,

    /// <summary>001: to the processor of lowest priority; needs the redirection hint.</summary>
    LowestPriority = 1,

    /// <summary>010.</summary>
    SystemManagement = 2,

    /// <summary>100.</summary>
    NonMaskable = 4,

    /// <summary>101.</summary>
    Init = 5,

    /// <summary>111.</summary>
    External = 7,
}
