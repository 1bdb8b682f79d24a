using System.Diagnostics;

namespace Dma.Properties;

/// <summary>Wireshark's own reading of a capture.</summary>
internal static class Tshark
{
    private const string Command = "tshark";
    private static readonly Lazy<bool> _isThere = new(Starts);

    /// <summary>Skips the test where the program is not installed.</summary>
    public static void Require() => Assert.SkipUnless(_isThere.Value, $"{Command} is not installed (Debian: apt-get install tshark).");

    /// <summary>Reads fields of all packets that a filter lets through: a row for each, empty where a packet lacks the field.</summary>
    /// <param name="path">The capture.</param>
    /// <param name="filter">A display filter.</param>
    /// <param name="without">A dissector to leave out, or null.</param>
    /// <param name="fields">The fields.</param>
    public static IReadOnlyList<string[]> Read(string path, string filter, string? without, params string[] fields)
    {
        List<string> arguments = ["-r", path, "-Y", filter, "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"];
        if (without is not null)
            arguments.AddRange(["--disable-protocol", without]);
        foreach (string field in fields)
            arguments.AddRange(["-e", field]);
        using Process process = Process.Start(new ProcessStartInfo(Command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> complaints = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, complaints.Result);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('|'))];
    }

    private static bool Starts()
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(Command, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            _ = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
