using System.Diagnostics.CodeAnalysis;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>Opens the file that a person names as a disk, or says in a sentence what is wrong with it.</summary>
internal static class DiskFile
{
    private const int SectorBytes = 512;

    /// <summary>Opens a disk image.</summary>
    /// <param name="path">As typed.</param>
    /// <param name="isWritable">Whether the run may change it.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="problem">Why there is none; empty where there is one.</param>
    public static bool TryOpen(string path, bool isWritable, [NotNullWhen(true)] out FileDiskImage? disk, out string problem)
    {
        disk = null;
        try
        {
            problem = Inspect(path);
            if (problem.Length == 0)
                disk = new(path, isWritable);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            problem = $"The disk '{path}' cannot be opened for {(isWritable ? "writing" : "reading")}: {refusal.Message}";
        }

        return disk is not null;
    }

    // What is wrong with it, or nothing. Looked at before it is opened: opening a pipe would wait for its other end.
    private static string Inspect(string path)
    {
        if (Directory.Exists(path))
            return $"The disk '{path}' is a directory.";
        if (!File.Exists(path))
            return $"The disk '{path}' does not exist.";
        FileInfo file = new(path);
        if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            file = target;
        if (file.Length == 0)
            return $"The disk '{path}' is empty, or no regular file.";
        return file.Length % SectorBytes == 0
            ? ""
            : $"The disk '{path}' has {file.Length} bytes, which is no multiple of {SectorBytes}.";
    }
}
