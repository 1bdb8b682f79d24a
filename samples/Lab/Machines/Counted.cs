using static System.FormattableString;

namespace Dma.Lab;

/// <summary>How many of something there are, in words: one, or many.</summary>
internal static class Counted
{
    /// <summary>As in <c>1 fault</c> and <c>1,024 faults</c>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="one">What one of it is called.</param>
    /// <param name="many">What more or none of it are called; with an s at the end, unless given.</param>
    public static string Of(ulong count, string one, string? many = null) => Invariant($"{count:N0} {(count == 1 ? one : many ?? one + "s")}");
}
