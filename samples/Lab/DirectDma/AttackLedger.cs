using System.Globalization;

namespace Dma.Lab;

/// <summary>The attempts of a run, in order.</summary>
internal sealed class AttackLedger
{
    private readonly List<AttemptSummary> _attempts = [];

    /// <summary>The attempts.</summary>
    public IReadOnlyList<AttemptSummary> Attempts => _attempts;

    /// <summary>Writes one down.</summary>
    public void Add(string by, string what, ulong address, string outcome, bool isBlocked, ulong bytesChanged) =>
        _attempts.Add(new(by, what, Hex(address), outcome, isBlocked, bytesChanged));

    /// <summary>A number as addresses are written.</summary>
    public static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");
}
