namespace Dma.Machine;

/// <summary>Process address space identifiers: requests of the device may say in whose name they come (PCI Express base, 7.8.9).</summary>
/// <param name="width">How many bits of a PASID the device has, 0 to 20.</param>
/// <param name="execute">Whether it can ask for the right to execute.</param>
/// <param name="privileged">Whether it can send requests with supervisor privilege.</param>
public sealed class PasidCapability(int width = 20, bool execute = true, bool privileged = true)
    : PciExtendedCapability(PciExtendedCapabilityId.Pasid, version: 1, length: 8)
{
    /// <summary>The most bits that a PASID has.</summary>
    public const int WidthMax = 20;

    private const int Capability = 0x04;
    private const int Control = 0x06;
    private const int WidthShift = 8;
    private const ulong EnableBit = 1 << 0;
    private const ulong ExecuteBit = 1 << 1;
    private const ulong PrivilegedBit = 1 << 2;

    private readonly int _width = width is >= 0 and <= WidthMax
        ? width
        : throw new ArgumentOutOfRangeException(nameof(width), "0 to 20 bits.");

    /// <summary>How many bits of a PASID the device has.</summary>
    public int Width => _width;

    /// <summary>Whether requests may carry a PASID.</summary>
    public bool IsEnabled => (this[Control] & EnableBit) != 0;

    /// <summary>Whether requests may ask for the right to execute.</summary>
    public bool IsExecuteEnabled => IsEnabled && (this[Control] & ExecuteBit) != 0;

    /// <summary>Whether requests may have supervisor privilege.</summary>
    public bool IsPrivilegedEnabled => IsEnabled && (this[Control] & PrivilegedBit) != 0;

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers
    {
        get
        {
            // The enable bits of what the device does not have are reserved.
            ulong modes = (execute ? ExecuteBit : 0) | (privileged ? PrivilegedBit : 0);
            yield return new(Capability, 2, "PASIDCAP", new(modes | ((ulong)_width << WidthShift)));
            yield return new(Control, 2, "PASIDCTL", new(0, Writable: EnableBit | modes));
        }
    }

    /// <summary>Whether a request with these attributes may be sent now.</summary>
    public bool Permits(DmaAttributes attributes) =>
        attributes.Pasid is not { } pasid
        || (IsEnabled && pasid.Value >> _width == 0 && (!attributes.Execute || IsExecuteEnabled) && (!attributes.Privileged || IsPrivilegedEnabled));
}
