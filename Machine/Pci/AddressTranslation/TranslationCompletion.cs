namespace Dma.Machine;

/// <summary>The answer to a translation request of a device (PCI Express, ATS).</summary>
/// <param name="Status">Whether there is an answer at all.</param>
/// <param name="Address">The translated page, if any right is granted.</param>
/// <param name="PageBytes">How much of the address space the answer speaks of, in bytes.</param>
/// <param name="Read">Reads may use it.</param>
/// <param name="Write">Writes may use it.</param>
/// <param name="UntranslatedOnly">The device must not use translated requests for the address (U).</param>
public readonly record struct TranslationCompletion(
    TranslationStatus Status, PhysicalAddress Address, ulong PageBytes, bool Read, bool Write, bool UntranslatedOnly)
{
    /// <summary>The device may execute what it reads there (Exe); only for requests with PASID.</summary>
    public bool Execute { get; init; }

    /// <summary>The rights are those of supervisor requests (Priv); only for requests with PASID.</summary>
    public bool Privileged { get; init; }

    /// <summary>The answer is good for all PASIDs of the device's domain (Global).</summary>
    public bool Global { get; init; }

    /// <summary>No answer.</summary>
    public static TranslationCompletion Refused(TranslationStatus status) => new(status, default, 0, false, false, false);
}
