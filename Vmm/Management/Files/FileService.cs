using System.Text;
using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>Files of the folder that the host granted, piece by piece.</summary>
/// <remarks>
/// What the guest names is read once, checked, and used as it was checked. How much the files grow is counted against the quota
/// before anything is written, so that the folder never holds more than it held in the beginning and the quota together.
/// </remarks>
internal sealed class FileService : IManagementService
{
    // Offsets that every host can take.
    private const ulong OffsetMax = 1ul << 62;

    /// <inheritdoc/>
    public ManagementModes Mode => ManagementModes.Files;

    /// <inheritdoc/>
    public ManagementAnswer Serve(TakenRequest request)
    {
        if (request.Port.Grant.Folder is not { } folder)
            return ManagementAnswer.Of(ManagementResult.NotGranted);
        return request.Fields.Command switch
        {
            ManagementCommand.OpenFile => Named(request, path => Open(request, folder, path)),
            ManagementCommand.ReadFile => Read(request),
            ManagementCommand.WriteFile => Write(request),
            ManagementCommand.CloseFile => Close(request),
            ManagementCommand.RemoveFile => Named(request, path => Remove(request, folder, path)),
            ManagementCommand.ListFiles when request.Fields.InputLength == 0 => List(request, folder, FolderPath.Root),
            ManagementCommand.ListFiles => Named(request, path => List(request, folder, path)),
            _ => ManagementAnswer.Of(ManagementResult.BadRequest),
        };
    }

    /// <inheritdoc/>
    public void Cancel(TakenRequest request)
    {
    }

    /// <inheritdoc/>
    public void End(ManagementPort port) => port.Files.CloseAll();

    private static ManagementAnswer Named(TakenRequest request, Func<FolderPath, ManagementAnswer> then)
    {
        if (request.Fields.InputLength > FolderPath.BytesMax)
            return ManagementAnswer.Of(ManagementResult.BadName);
        ManagementResult read = request.TryRead(out byte[] name);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);
        return FolderPath.TryParse(name) is { } path ? then(path) : ManagementAnswer.Of(ManagementResult.BadName);
    }

    private static ManagementAnswer Open(TakenRequest request, IGrantedFolder folder, FolderPath path)
    {
        ManagementOpenFlags flags = (ManagementOpenFlags)request.Fields.Argument;
        bool isForWriting = (flags & ManagementOpenFlags.Write) != 0;
        bool changes = (flags & (ManagementOpenFlags.Create | ManagementOpenFlags.Truncate)) != 0;
        if (request.Fields.Argument > 7 || (changes && !isForWriting))
            return ManagementAnswer.Of(ManagementResult.BadRequest);
        if (isForWriting && !folder.IsWritable)
            return ManagementAnswer.Of(ManagementResult.NotGranted);
        OpenFiles files = request.Port.Files;
        if (!files.HasRoom)
            return ManagementAnswer.Of(ManagementResult.QuotaExceeded);
        ManagementResult opened = folder.Open(path, isForWriting, (flags & ManagementOpenFlags.Create) != 0, out IGrantedFile? file);
        if (opened != ManagementResult.Done || file is null)
            return ManagementAnswer.Of(opened);
        if ((flags & ManagementOpenFlags.Truncate) != 0)
        {
            ulong freed = file.Length;
            if (!file.TryClear())
            {
                file.Dispose();
                return ManagementAnswer.Of(ManagementResult.HostError);
            }

            Return(request.Port, freed);
        }

        return ManagementAnswer.Done with { Value = file.Length, Version = file.Version, Source = files.Add(new(file, path.ToString(), isForWriting)) };
    }

    private static ManagementAnswer Read(TakenRequest request)
    {
        ManagementRequest fields = request.Fields;
        if (fields.OutputLength > ManagementDevice.TransferBytesMax)
            return ManagementAnswer.Of(ManagementResult.TooLong);
        if (fields.Argument > OffsetMax)
            return ManagementAnswer.Of(ManagementResult.BadRequest);
        if (!request.Port.Files.TryGet(fields.Handle, out OpenFile? open))
            return ManagementAnswer.Of(ManagementResult.NotFound);
        byte[] bytes = new byte[fields.OutputLength];
        if (!open.File.TryRead(fields.Argument, bytes, out int count))
            return ManagementAnswer.Of(ManagementResult.HostError);
        request.CopiedByHost(count);
        ManagementResult written = request.TryWrite(bytes.AsSpan(0, count));
        return ManagementAnswer.Of(written) with { Length = written == ManagementResult.Done ? count : 0, Version = open.File.Version };
    }

    private static ManagementAnswer Write(TakenRequest request)
    {
        ManagementRequest fields = request.Fields;
        if (fields.InputLength > ManagementDevice.TransferBytesMax)
            return ManagementAnswer.Of(ManagementResult.TooLong);
        if (fields.Argument > OffsetMax)
            return ManagementAnswer.Of(ManagementResult.BadRequest);
        if (!request.Port.Files.TryGet(fields.Handle, out OpenFile? open))
            return ManagementAnswer.Of(ManagementResult.NotFound);
        if (!open.IsForWriting)
            return ManagementAnswer.Of(ManagementResult.NotGranted);
        ulong before = open.File.Length;
        ulong end = fields.Argument + fields.InputLength;
        ulong growth = fields.InputLength == 0 || end <= before ? 0 : end - before;
        if (growth > request.Port.QuotaLeft)
            return ManagementAnswer.Of(ManagementResult.QuotaExceeded);
        ManagementResult read = request.TryRead(out byte[] bytes);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);

        // Taken first: what the host wrote before it failed is counted, too.
        request.Port.QuotaLeft -= growth;
        if (bytes.Length != 0 && !open.File.TryWrite(fields.Argument, bytes))
            return ManagementAnswer.Of(ManagementResult.HostError);
        request.CopiedByHost(bytes.Length);
        return ManagementAnswer.Done with { Length = bytes.Length, Version = open.File.Version };
    }

    private static ManagementAnswer Close(TakenRequest request)
    {
        if (!request.Port.Files.TryGet(request.Fields.Handle, out OpenFile? open))
            return ManagementAnswer.Of(ManagementResult.NotFound);
        request.Port.Files.Close(open);
        return ManagementAnswer.Done;
    }

    private static ManagementAnswer Remove(TakenRequest request, IGrantedFolder folder, FolderPath path)
    {
        if (!folder.IsWritable)
            return ManagementAnswer.Of(ManagementResult.NotGranted);

        // An open file would go on taking room that nobody counts.
        if (request.Port.Files.IsOpen(path.ToString()))
            return ManagementAnswer.Of(ManagementResult.InUse);
        ManagementResult removed = folder.Remove(path, out ulong freed);
        if (removed == ManagementResult.Done)
            Return(request.Port, freed);
        return ManagementAnswer.Of(removed) with { Value = freed };
    }

    private static ManagementAnswer List(TakenRequest request, IGrantedFolder folder, FolderPath directory)
    {
        if (request.Fields.Argument > int.MaxValue)
            return ManagementAnswer.Of(ManagementResult.NotFound);
        ManagementResult found = folder.List(directory, (int)request.Fields.Argument, out FolderEntry entry);
        if (found != ManagementResult.Done)
            return ManagementAnswer.Of(found);
        byte[] name = Encoding.UTF8.GetBytes(entry.Name);
        ManagementResult written = request.TryWrite(name);
        return written == ManagementResult.Done
            ? ManagementAnswer.Done with { Length = name.Length, Value = entry.Length ?? ulong.MaxValue }
            : ManagementAnswer.Of(written) with { Value = (ulong)name.Length };
    }

    private static void Return(ManagementPort port, ulong bytes) =>
        port.QuotaLeft += Math.Min(bytes, port.Grant.QuotaBytes - port.QuotaLeft);
}
