using static System.FormattableString;

namespace Dma.Lab;

/// <summary>How many of something there are, in words: one of it has no s.</summary>
internal static class Counted
{
    /// <summary>As in <c>1 fault</c> and <c>1,024 faults</c>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="what">Of what, one of it.</param>
    public static string Of(ulong count, string what) => Invariant($"{count:N0} {what}{(count == 1 ? "" : "s")}");
}
