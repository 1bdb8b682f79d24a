using System.CommandLine;
using System.Diagnostics.CodeAnalysis;

namespace Dma.Lab;

/// <summary>The option that asks for a capture of what goes over the USB buses, and the file that it names.</summary>
internal sealed class CaptureOption : Option<string?>
{
    private const int BufferBytes = 1 << 16;

    /// <summary>The option <c>--pcap</c>.</summary>
    public CaptureOption()
        : base("--pcap")
    {
        Description = "Capture the USB buses in a file for Wireshark (pcapng, one interface for each bus). A file that is there is replaced.";
        HelpName = "FILE";
    }

    /// <summary>Creates the file.</summary>
    /// <param name="path">As typed; null where no capture is asked for.</param>
    /// <param name="file">The file, or null where none is asked for.</param>
    /// <param name="problem">Why there is none although one is asked for; empty otherwise.</param>
    public static bool TryCreate(string? path, out FileStream? file, [NotNullWhen(false)] out string? problem)
    {
        file = null;
        problem = null;
        if (path is null)
            return true;
        try
        {
            file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read, BufferBytes);
            return true;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = $"The capture '{path}' cannot be written: {refusal.Message}";
            return false;
        }
    }
}
