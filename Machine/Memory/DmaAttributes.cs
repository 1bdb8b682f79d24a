namespace Dma.Machine;

/// <summary>The AT field of a memory request (PCI Express, ATS).</summary>
public enum AddressType
{
    /// <summary>00: the address is to be translated.</summary>
    Untranslated = 0,

    /// <summary>01: a question for a translation; it moves no data.</summary>
    Translation = 1,

    /// <summary>10: the device says that it translated the address before.</summary>
    Translated = 2,
}

/// <summary>What a request carries besides its address; <c>default</c> is a plain untranslated request.</summary>
/// <param name="AddressType">The AT field.</param>
public readonly record struct DmaAttributes(AddressType AddressType);
