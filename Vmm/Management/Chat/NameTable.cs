using System.Text;
using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>The names under which participants can be found; "host" is the host's.</summary>
internal sealed class NameTable
{
    /// <summary>The most bytes of a name.</summary>
    public const int BytesMax = 32;

    /// <summary>How many names a participant may have.</summary>
    public const int NamesMax = 4;

    private readonly SortedDictionary<string, uint> _names = new(StringComparer.Ordinal) { ["host"] = ManagementCore.HostNumber };

    public IReadOnlyList<KeyValuePair<string, uint>> All => [.. _names];

    /// <summary>Makes a name of bytes: letters, digits, dot, hyphen and underscore of ASCII.</summary>
    /// <returns><c>null</c> where they are no name.</returns>
    public static string? Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is 0 or > BytesMax)
            return null;
        foreach (byte value in bytes)
        {
            if (!char.IsAsciiLetterOrDigit((char)value) && value is not ((byte)'.' or (byte)'-' or (byte)'_'))
                return null;
        }

        return Encoding.ASCII.GetString(bytes);
    }

    public ManagementResult Publish(string name, uint number)
    {
        if (_names.TryGetValue(name, out uint owner))
            return owner == number ? ManagementResult.Done : ManagementResult.NameTaken;
        if (_names.Values.Count(other => other == number) >= NamesMax)
            return ManagementResult.QuotaExceeded;
        _names.Add(name, number);
        return ManagementResult.Done;
    }

    /// <summary>Takes a name back from its owner; nobody else can.</summary>
    public bool Withdraw(string name, uint number) =>
        _names.TryGetValue(name, out uint owner) && owner == number && _names.Remove(name);

    public bool TryFind(string name, out uint number) => _names.TryGetValue(name, out number);

    public void WithdrawAll(uint number)
    {
        foreach (string name in _names.Where(entry => entry.Value == number).Select(entry => entry.Key).ToArray())
            _ = _names.Remove(name);
    }
}
