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
/// <remarks>One word, so that the question whether a request is a plain one costs one comparison.</remarks>
public readonly record struct DmaAttributes
{
    private const int PasidBits = 20;
    private const int PasidPresentBit = 22;
    private const int ExecuteBit = 23;
    private const int PrivilegedBit = 24;
    private const int AtomicBit = 25;

    // AT in bits 1:0, the PASID in bits 21:2, the flags above.
    private readonly Bits32 _bits;

    /// <summary>A request of an address type.</summary>
    public DmaAttributes(AddressType addressType) => AddressType = addressType;

    /// <summary>The AT field.</summary>
    public AddressType AddressType
    {
        get => (AddressType)_bits.Bits(1, 0);
        init => _bits = _bits.With(1, 0, (uint)value);
    }

    /// <summary>The PASID of the request, 20 bits; null for a request without PASID.</summary>
    public Pasid? Pasid
    {
        get => _bits.Bit(PasidPresentBit) ? new Pasid(_bits.Bits(PasidPresentBit - 1, PasidPresentBit - PasidBits)) : null;
        init => _bits = _bits.With(PasidPresentBit, value is not null).With(PasidPresentBit - 1, PasidPresentBit - PasidBits, value?.Value ?? 0);
    }

    /// <summary>The device means to execute what it reads (ER); without a PASID it has no meaning.</summary>
    public bool Execute
    {
        get => _bits.Bit(ExecuteBit);
        init => _bits = _bits.With(ExecuteBit, value);
    }

    /// <summary>The request has supervisor privilege (PR); without a PASID it has no meaning.</summary>
    public bool Privileged
    {
        get => _bits.Bit(PrivilegedBit);
        init => _bits = _bits.With(PrivilegedBit, value);
    }

    /// <summary>The request reads and writes at once (AtomicOp).</summary>
    public bool Atomic
    {
        get => _bits.Bit(AtomicBit);
        init => _bits = _bits.With(AtomicBit, value);
    }
}
