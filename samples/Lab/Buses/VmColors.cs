namespace Dma.Lab;

/// <summary>A color for each VM, the same wherever it is shown.</summary>
internal static class VmColors
{
    private static readonly string[] s_colors = ["aqua", "yellow", "fuchsia", "lime", "orange1", "deepskyblue1", "salmon1", "grey70"];

    /// <summary>That of a VM, by its number from 0 on.</summary>
    public static string Of(int number) => s_colors[number % s_colors.Length];
}
