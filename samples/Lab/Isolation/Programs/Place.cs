namespace Dma.Lab;

/// <summary>An address that a step uses; what number that is is known when the step is taken.</summary>
/// <param name="Kind">What is there.</param>
/// <param name="Who">Of a frame, whose: a number of a VM.</param>
/// <param name="Number">Which one, counted modulo how many there are.</param>
/// <param name="Offset">Bytes beyond its start; for a number, the number.</param>
internal readonly record struct Place(PlaceKind Kind, int Who, int Number, ulong Offset)
{
    /// <summary>A number as it is.</summary>
    public static Place Of(ulong value) => new(PlaceKind.Number, 0, 0, value);

    /// <summary>What one kind of place is called, and whether a number follows.</summary>
    public static IReadOnlyList<(PlaceKind Kind, string Word, bool IsNumbered)> Words { get; } =
    [
        (PlaceKind.Mapping, "mapping", true),
        (PlaceKind.Gone, "gone", true),
        (PlaceKind.Own, "own", true),
        (PlaceKind.Frame, "frame", true),
        (PlaceKind.Vmm, "vmm", true),
        (PlaceKind.Unit, "unit", false),
        (PlaceKind.Interrupts, "msi", false),
        (PlaceKind.Configuration, "ecam", false),
        (PlaceKind.Registers, "bar", false),
    ];

    /// <summary>The place as it is written.</summary>
    /// <param name="names">The names of the program.</param>
    public string Format(ProgramNames names)
    {
        if (Kind == PlaceKind.Number)
            return ProgramText.Hex(Offset);
        (_, string word, bool isNumbered) = Words[(int)Kind - 1];
        string who = Kind == PlaceKind.Frame ? $":{names.Guests[Who]}" : "";
        string number = isNumbered ? $":{ProgramText.Decimal(Number)}" : "";
        return Offset == 0 ? $"{word}{who}{number}" : $"{word}{who}{number}+{ProgramText.Hex(Offset)}";
    }

    /// <summary>Reads a place.</summary>
    /// <param name="text">A number, or a kind with a number and an offset, such as <c>mapping:1+0x20</c> or <c>frame:a:3</c>.</param>
    /// <param name="names">The names of the program.</param>
    /// <param name="place">The place.</param>
    public static bool TryParse(string text, ProgramNames names, out Place place)
    {
        place = default;
        if (ProgramText.TryNumber(text, out ulong value))
        {
            place = Of(value);
            return true;
        }

        string[] halves = text.Split('+');
        string[] parts = halves[0].Split(':');
        ulong offset = 0;
        if (halves.Length > 2 || (halves.Length == 2 && !ProgramText.TryNumber(halves[1], out offset)))
            return false;
        foreach ((PlaceKind kind, string word, bool isNumbered) in Words)
        {
            if (parts[0] != word)
                continue;
            int who = kind == PlaceKind.Frame ? parts.Length < 2 ? -1 : names.GuestOf(parts[1]) : 0;
            int expected = 1 + (kind == PlaceKind.Frame ? 1 : 0) + (isNumbered ? 1 : 0);
            ulong number = 0;
            if (who < 0 || parts.Length != expected || (isNumbered && (!ProgramText.TryNumber(parts[^1], out number) || number > ushort.MaxValue)))
                return false;
            place = new(kind, who, (int)number, offset);
            return true;
        }

        return false;
    }
}
