using System.Globalization;
using System.Text.Json;

namespace Dma.Lab;

/// <summary>The members of one JSON object of a file of cases, and where it is, for whoever has to mend it.</summary>
/// <param name="json">The object.</param>
/// <param name="place">Where it is, such as "case x/y, step 3".</param>
internal readonly struct CaseFields(JsonElement json, string place)
{
    private const int ShownMax = 40;

    /// <summary>Where the object is.</summary>
    public string Place => place;

    /// <summary>A value as an object.</summary>
    public static CaseFields Of(JsonElement value, string place) => value.ValueKind == JsonValueKind.Object
        ? new(value, place)
        : throw new CaseFileException($"{place}: an object was expected, not {Shown(value)}.");

    /// <summary>The same object under a name that says more.</summary>
    public CaseFields At(string name) => new(json, name);

    /// <summary>Whether there is a member of that name.</summary>
    public bool Has(string name) => json.TryGetProperty(name, out _);

    /// <summary>A text.</summary>
    public string Text(string name)
    {
        JsonElement value = Member(name);
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, value, "a text");
    }

    /// <summary>A number of up to 64 bits, written as a text such as "0x1f".</summary>
    public ulong Number(string name)
    {
        JsonElement value = Member(name);
        return value.ValueKind == JsonValueKind.String && TryNumber(value.GetString()!, out ulong number)
            ? number
            : throw Wrong(name, value, "a number in a text such as \"0x1f\"");
    }

    /// <summary>A number that has an upper limit, written as a text such as "0x1f".</summary>
    public ulong Number(string name, ulong max)
    {
        ulong number = Number(name);
        return number <= max ? number : throw new CaseFileException($"{place}: '{name}' is at most {max:X}h, not {number:X}h.");
    }

    /// <summary>A whole number, written as a number.</summary>
    public int Count(string name, int min, int max)
    {
        JsonElement value = Member(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count >= min && count <= max
            ? count
            : throw Wrong(name, value, $"a whole number from {min} to {max}");
    }

    /// <summary>The size of a memory, written as a number: whole pages.</summary>
    public ulong RamBytes(ulong max)
    {
        const string Name = "ram_bytes";
        JsonElement value = Member(Name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong bytes) && bytes is not 0 && bytes <= max && bytes % 4096 == 0
            ? bytes
            : throw Wrong(Name, value, $"a multiple of 4096 from 4096 to {max}");
    }

    /// <summary>Bytes, written as pairs of hexadecimal digits.</summary>
    public byte[] Bytes(string name)
    {
        JsonElement value = Member(name);
        string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return text is { Length: > 0 } && text.Length % 2 == 0 && text.All(char.IsAsciiHexDigit)
            ? Convert.FromHexString(text)
            : throw Wrong(name, value, "pairs of hexadecimal digits");
    }

    /// <summary>True or false.</summary>
    public bool Flag(string name)
    {
        JsonElement value = Member(name);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, value, "true or false");
    }

    /// <summary>One bit, written as the number 0 or 1.</summary>
    public bool Bit(string name) => Count(name, 0, 1) != 0;

    /// <summary>The objects of an array.</summary>
    public IEnumerable<CaseFields> Each(string name, string what)
    {
        JsonElement value = Member(name);
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, value, "an array");
        string around = place;
        return value.EnumerateArray().Select((element, index) => Of(element, $"{around}{what} {index}"));
    }

    /// <summary>The objects of an array that may be missing.</summary>
    public IEnumerable<CaseFields> EachIfAny(string name, string what) => Has(name) ? Each(name, what) : [];

    /// <summary>A member that is an object.</summary>
    public CaseFields Object(string name) => Of(Member(name), $"{place}, '{name}'");

    /// <summary>The members of a member that is an object, each an object.</summary>
    public IEnumerable<(string Name, CaseFields Fields)> Members(string name)
    {
        JsonElement value = Member(name);
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, value, "an object");
        string around = place;
        return value.EnumerateObject().Select(member => (member.Name, Of(member.Value, $"{around}, {member.Name}")));
    }

    /// <summary>Reads a number such as 0x1f.</summary>
    public static bool TryNumber(string text, out ulong number)
    {
        number = 0;
        return text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            && ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
    }

    private JsonElement Member(string name) =>
        json.TryGetProperty(name, out JsonElement value) ? value : throw new CaseFileException($"{place}: '{name}' is missing.");

    private CaseFileException Wrong(string name, JsonElement value, string expected) =>
        new($"{place}: '{name}' is {expected}, not {Shown(value)}.");

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= ShownMax ? text : text[..ShownMax] + "…";
    }
}
