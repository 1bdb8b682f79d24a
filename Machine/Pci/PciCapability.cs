namespace Dma.Machine;

/// <summary>A capability of a PCI function: a few registers somewhere in its configuration space, and what they do.</summary>
/// <remarks>Its two header bytes, id and next pointer, belong to the function, which links it into the list.</remarks>
public abstract class PciCapability
{
    private PciFunction? _function;

    private protected PciCapability(int id, int length, bool isExtended)
    {
        Id = id;
        Length = length;
        IsExtended = isExtended;
    }

    /// <summary>A capability for the first 256 bytes.</summary>
    /// <param name="id">What it is.</param>
    /// <param name="length">Bytes, its header included.</param>
    protected PciCapability(PciCapabilityId id, int length)
        : this((int)id, length, isExtended: false)
    {
    }

    /// <summary>What it is, as the header says.</summary>
    public int Id { get; }

    /// <summary>Bytes, its header included.</summary>
    public int Length { get; }

    /// <summary>Whether it lies in the extended space, from 100h on.</summary>
    public bool IsExtended { get; }

    /// <summary>Where it begins in the configuration space of its function.</summary>
    public int Offset { get; private set; }

    /// <summary>The function that has it.</summary>
    protected internal PciFunction Function =>
        _function ?? throw new InvalidOperationException("The capability was not added to a function.");

    /// <summary>Its registers, at offsets from its first byte, without the header.</summary>
    protected internal abstract IEnumerable<Register> Registers { get; }

    /// <summary>What the hardware holds in one of its registers, past all masks.</summary>
    /// <param name="offset">The offset from its first byte.</param>
    protected ulong this[int offset]
    {
        get => Function.Configuration[Offset + offset];
        set => Function.Configuration[Offset + offset] = value;
    }

    /// <summary>Software wrote one of its registers.</summary>
    /// <param name="write">The write, at an offset from the capability's first byte.</param>
    protected internal virtual void Written(in RegisterWrite write)
    {
    }

    /// <summary>The function was reset, and with it the registers; whatever else it holds goes back too.</summary>
    protected internal virtual void OnReset()
    {
    }

    internal void Place(PciFunction function, int offset)
    {
        if (_function is not null)
            throw new InvalidOperationException("A capability belongs to one function.");
        _function = function;
        Offset = offset;
    }
}
