using System.Text;
using Dma.Hal.Spec;

namespace Dma.Properties;

/// <summary>The files of one VM as a dictionary of byte lists: what each request must answer.</summary>
/// <param name="quota">By how many bytes they may grow.</param>
internal sealed class ManagementFilesModel(ulong quota)
{
    private readonly Dictionary<string, List<byte>> _files = [];
    private readonly Dictionary<uint, (string Name, List<byte> Content, bool IsForWriting)> _open = [];
    private ulong _used;

    public IReadOnlyDictionary<string, List<byte>> Files => _files;

    public ulong Left => quota - _used;

    /// <summary>Handles that name a file, in the order of opening.</summary>
    public IEnumerable<uint> Handles => _open.Keys;

    public void CloseAll() => _open.Clear();

    /// <summary>Does the request here, and compares.</summary>
    public void Check(RungRequest request, ManagementCompletion completion, byte[] output)
    {
        ManagementRequest fields = request.Fields;
        string name = Encoding.UTF8.GetString(request.Input);
        switch (request.Command)
        {
            case ManagementCommand.OpenFile:
                Open(name, (ManagementOpenFlags)fields.Argument, completion);
                break;
            case ManagementCommand.ReadFile:
                Read(fields, completion, output);
                break;
            case ManagementCommand.WriteFile:
                Assert.Equal(Write(fields, request.Input), completion.Result);
                break;
            case ManagementCommand.CloseFile:
                Assert.Equal(_open.Remove(fields.Handle) ? ManagementResult.Done : ManagementResult.NotFound, completion.Result);
                break;
            case ManagementCommand.RemoveFile:
                Assert.Equal(Remove(name), completion.Result);
                break;
            default:
                List(fields, completion, output);
                break;
        }
    }

    private void Open(string name, ManagementOpenFlags flags, ManagementCompletion completion)
    {
        if (_open.Count == 16)
        {
            Assert.Equal(ManagementResult.QuotaExceeded, completion.Result);
            return;
        }

        if (!_files.TryGetValue(name, out List<byte>? content))
        {
            if ((flags & ManagementOpenFlags.Create) == 0)
            {
                Assert.Equal(ManagementResult.NotFound, completion.Result);
                return;
            }

            _files.Add(name, content = []);
        }

        if ((flags & ManagementOpenFlags.Truncate) != 0)
        {
            _used -= Math.Min(_used, (ulong)content.Count);
            content.Clear();
        }

        Assert.Equal((ManagementResult.Done, (ulong)content.Count), (completion.Result, completion.Value));
        _open.Add(completion.Source, (name, content, (flags & ManagementOpenFlags.Write) != 0));
    }

    private void Read(ManagementRequest fields, ManagementCompletion completion, byte[] output)
    {
        if (!_open.TryGetValue(fields.Handle, out (string Name, List<byte> Content, bool IsForWriting) open))
        {
            Assert.Equal(ManagementResult.NotFound, completion.Result);
            return;
        }

        Assert.Equal(ManagementResult.Done, completion.Result);
        Assert.Equal(open.Content.Skip((int)fields.Argument).Take((int)fields.OutputLength), output);
    }

    private ManagementResult Write(ManagementRequest fields, byte[] bytes)
    {
        if (!_open.TryGetValue(fields.Handle, out (string Name, List<byte> Content, bool IsForWriting) open))
            return ManagementResult.NotFound;
        if (!open.IsForWriting)
            return ManagementResult.NotGranted;
        int end = (int)fields.Argument + bytes.Length;
        ulong growth = bytes.Length == 0 ? 0 : (ulong)Math.Max(0, end - open.Content.Count);
        if (growth > Left)
            return ManagementResult.QuotaExceeded;
        _used += growth;
        open.Content.AddRange(new byte[growth]);
        for (int at = 0; at < bytes.Length; at++)
            open.Content[(int)fields.Argument + at] = bytes[at];
        return ManagementResult.Done;
    }

    private ManagementResult Remove(string name)
    {
        if (_open.Values.Any(open => open.Name == name))
            return ManagementResult.InUse;
        if (!_files.Remove(name, out List<byte>? content))
            return ManagementResult.NotFound;
        _used -= Math.Min(_used, (ulong)content.Count);
        return ManagementResult.Done;
    }

    private void List(ManagementRequest fields, ManagementCompletion completion, byte[] output)
    {
        string[] names = [.. _files.Keys.Order(StringComparer.Ordinal)];
        if (fields.Argument >= (ulong)names.Length)
        {
            Assert.Equal(ManagementResult.NotFound, completion.Result);
            return;
        }

        string name = names[fields.Argument];
        Assert.Equal((ManagementResult.Done, (ulong)_files[name].Count), (completion.Result, completion.Value));
        Assert.Equal(name, Encoding.UTF8.GetString(output));
    }
}
