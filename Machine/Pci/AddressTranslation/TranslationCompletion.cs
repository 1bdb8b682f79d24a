using System.Numerics;

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
    private const ulong PageSize = 4096;

    /// <summary>The device may execute what it reads there (Exe); only for requests with PASID.</summary>
    public bool Execute { get; init; }

    /// <summary>The rights are those of supervisor requests (Priv); only for requests with PASID.</summary>
    public bool Privileged { get; init; }

    /// <summary>The answer is good for all PASIDs of the device's domain (Global).</summary>
    public bool Global { get; init; }

    /// <summary>Requests that use it must not ask for no-snoop (N).</summary>
    public bool NonSnooped { get; init; }

    /// <summary>The answer as its entry travels; zero where there is none.</summary>
    /// <remarks>Of more than 4 KiB, bits from 12 up are ones, one fewer than the length has doublings of 4 KiB.</remarks>
    public TranslationEntry Entry => Status != TranslationStatus.Success ? default : new()
    {
        Address = new(PageBytes > PageSize ? (Address.Value & ~(PageBytes - 1)) | ((PageBytes >> 1) - PageSize) : Address.Value),
        Size = PageBytes > PageSize,
        NonSnooped = NonSnooped,
        Global = Global,
        Privileged = Privileged,
        Execute = Execute,
        UntranslatedOnly = UntranslatedOnly,
        Write = Write,
        Read = Read,
    };

    /// <summary>What an entry says.</summary>
    public static TranslationCompletion Of(TranslationEntry entry)
    {
        // k ones from bit 12 up: 2^(13 + k) bytes. All ones are all of the address space but for its upper half.
        int shift = entry.Size ? Math.Min(63, 13 + BitOperations.TrailingZeroCount(~(entry.Address.Value >> 12))) : 12;
        ulong bytes = 1ul << shift;
        return new(
            TranslationStatus.Success, new(entry.Address.Value & ~(bytes - 1)), bytes, entry.Read, entry.Write, entry.UntranslatedOnly)
        {
            Execute = entry.Execute,
            Privileged = entry.Privileged,
            Global = entry.Global,
            NonSnooped = entry.NonSnooped,
        };
    }

    /// <summary>No answer.</summary>
    public static TranslationCompletion Refused(TranslationStatus status) => new(status, default, 0, false, false, false);
}
