using System.Text;
using Dma.Hal.Spec;

namespace Dma.Drivers;

/// <summary>Files of the folder that the host granted, whole.</summary>
/// <param name="driver">The driver, with <see cref="ManagementModes.Files"/> on.</param>
public sealed class ManagementFiles(ManagementDriver driver)
{
    /// <summary>How many entries of a directory are listed at most.</summary>
    public const int EntriesMax = 4096;

    private const int NameBytesMax = 255;

    /// <summary>Reads a file.</summary>
    /// <param name="name">Its name, with slashes.</param>
    /// <param name="chunk">How many bytes at a time; 0 for as many as possible.</param>
    public async ValueTask<FileDownload> Download(string name, int chunk = 0)
    {
        ManagementReply opened = await Open(name, ManagementOpenFlags.None);
        if (opened.Result != ManagementResult.Done)
            return new(opened.Result, default, IsTorn: false);
        int step = chunk == 0 ? driver.TransferBytesMax : chunk;
        uint handle = opened.Completion.Source;
        ulong length = opened.Completion.Value;
        List<byte> bytes = [];
        bool isTorn = false;
        ManagementResult result = ManagementResult.Done;
        while (result == ManagementResult.Done && (ulong)bytes.Count < length)
        {
            ManagementRequest request = new() { Command = ManagementCommand.ReadFile, Handle = handle, Argument = (ulong)bytes.Count };
            ManagementReply reply = await driver.Execute(request, outputLength: (int)Math.Min((ulong)step, length - (ulong)bytes.Count));
            result = reply.Result;

            // The host may change the file meanwhile, or make it shorter.
            isTorn |= result == ManagementResult.Done && reply.Completion.Version != opened.Completion.Version;
            bytes.AddRange(reply.Output.Span);
            if (reply.Output.Length == 0)
                break;
        }

        _ = await Close(handle);
        return new(result, bytes.ToArray(), isTorn || (ulong)bytes.Count != length);
    }

    /// <summary>Writes a file; one that is there is replaced.</summary>
    /// <param name="name">Its name, with slashes.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="chunk">How many bytes at a time; 0 for as many as possible.</param>
    public async ValueTask<ManagementResult> Upload(string name, ReadOnlyMemory<byte> bytes, int chunk = 0)
    {
        ManagementReply opened = await Open(name, ManagementOpenFlags.Write | ManagementOpenFlags.Create | ManagementOpenFlags.Truncate);
        if (opened.Result != ManagementResult.Done)
            return opened.Result;
        int step = chunk == 0 ? driver.TransferBytesMax : chunk;
        ManagementResult result = ManagementResult.Done;
        for (int done = 0; done < bytes.Length && result == ManagementResult.Done; done += step)
        {
            ManagementRequest request = new() { Command = ManagementCommand.WriteFile, Handle = opened.Completion.Source, Argument = (ulong)done };
            result = (await driver.Execute(request, bytes.Slice(done, Math.Min(step, bytes.Length - done)))).Result;
        }

        ManagementResult closed = await Close(opened.Completion.Source);
        return result == ManagementResult.Done ? closed : result;
    }

    /// <summary>Removes a file.</summary>
    public async ValueTask<ManagementResult> Remove(string name) =>
        (await driver.Execute(new() { Command = ManagementCommand.RemoveFile }, Encoding.UTF8.GetBytes(name))).Result;

    /// <summary>The entries of a directory; those with a slash at the end are directories.</summary>
    /// <param name="directory">Its name; empty for the folder itself.</param>
    public async ValueTask<IReadOnlyList<string>> List(string directory = "")
    {
        List<string> names = [];
        for (int index = 0; index < EntriesMax; index++)
        {
            ManagementRequest request = new() { Command = ManagementCommand.ListFiles, Argument = (ulong)index };
            ManagementReply reply = await driver.Execute(request, Encoding.UTF8.GetBytes(directory), NameBytesMax);
            if (reply.Result != ManagementResult.Done)
                break;
            names.Add(Encoding.UTF8.GetString(reply.Output.Span) + (reply.Completion.Value == ulong.MaxValue ? "/" : ""));
        }

        return names;
    }

    private ValueTask<ManagementReply> Open(string name, ManagementOpenFlags flags) =>
        driver.Execute(new() { Command = ManagementCommand.OpenFile, Argument = (ulong)flags }, Encoding.UTF8.GetBytes(name));

    private async ValueTask<ManagementResult> Close(uint handle) =>
        (await driver.Execute(new() { Command = ManagementCommand.CloseFile, Handle = handle })).Result;
}

/// <summary>A file that was read.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Bytes">What was read.</param>
/// <param name="IsTorn">Whether the host changed the file meanwhile, so that the bytes are not those of one moment.</param>
public readonly record struct FileDownload(ManagementResult Result, ReadOnlyMemory<byte> Bytes, bool IsTorn);
