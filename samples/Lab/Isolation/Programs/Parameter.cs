namespace Dma.Lab;

/// <summary>What an argument of a step may be: how it is written, drawn by chance, and made simpler.</summary>
internal abstract record Parameter(string Word)
{
    /// <summary>Reads an argument.</summary>
    public abstract bool TryParse(string text, ProgramNames names, out Argument argument);

    /// <summary>The argument as it is written.</summary>
    public abstract string Format(Argument argument, ProgramNames names);

    /// <summary>Draws one.</summary>
    public abstract Argument Draw(Random random, ProgramNames names);

    /// <summary>Simpler ones, the simplest first.</summary>
    public abstract IEnumerable<Argument> Simpler(Argument argument);
}

/// <summary>A VM that acts.</summary>
internal sealed record GuestParameter() : Parameter("VM")
{
    /// <inheritdoc/>
    public override bool TryParse(string text, ProgramNames names, out Argument argument)
    {
        int found = names.GuestOf(text);
        argument = (ulong)Math.Max(found, 0);
        return found >= 0 && found < names.ActingGuests;
    }

    /// <inheritdoc/>
    public override string Format(Argument argument, ProgramNames names) => names.Guests[(int)argument.Number];

    /// <inheritdoc/>
    public override Argument Draw(Random random, ProgramNames names) => (ulong)random.Next(names.ActingGuests);

    /// <inheritdoc/>
    public override IEnumerable<Argument> Simpler(Argument argument) => argument.Number == 0 ? [] : [0];
}

/// <summary>A device.</summary>
/// <param name="Word">What it is called in the form of a step.</param>
/// <param name="IncludesWitness">Whether the witness's device may be named, as by somebody who forges its name.</param>
internal sealed record DeviceParameter(string Word = "DEVICE", bool IncludesWitness = false) : Parameter(Word)
{
    /// <inheritdoc/>
    public override bool TryParse(string text, ProgramNames names, out Argument argument)
    {
        int found = names.DeviceOf(text);
        argument = (ulong)Math.Max(found, 0);
        return found >= 0 && found < Count(names);
    }

    /// <inheritdoc/>
    public override string Format(Argument argument, ProgramNames names) => names.Devices[(int)argument.Number];

    /// <inheritdoc/>
    public override Argument Draw(Random random, ProgramNames names) => (ulong)random.Next(Count(names));

    /// <inheritdoc/>
    public override IEnumerable<Argument> Simpler(Argument argument) => argument.Number == 0 ? [] : [0];

    private int Count(ProgramNames names) => IncludesWitness ? names.Devices.Count : names.ActingDevices;
}

/// <summary>One of some words.</summary>
/// <param name="Choices">The words, the simplest first.</param>
internal sealed record ChoiceParameter(params string[] Choices) : Parameter(string.Join('|', Choices))
{
    /// <inheritdoc/>
    public override bool TryParse(string text, ProgramNames names, out Argument argument)
    {
        int found = Array.IndexOf(Choices, text);
        argument = (ulong)Math.Max(found, 0);
        return found >= 0;
    }

    /// <inheritdoc/>
    public override string Format(Argument argument, ProgramNames names) => Choices[argument.Number];

    /// <inheritdoc/>
    public override Argument Draw(Random random, ProgramNames names) => (ulong)random.Next(Choices.Length);

    /// <inheritdoc/>
    public override IEnumerable<Argument> Simpler(Argument argument) => argument.Number == 0 ? [] : [0];
}

/// <summary>A number.</summary>
/// <param name="Word">What it is called in the form of a step.</param>
/// <param name="Max">The greatest one.</param>
/// <param name="Usual">Numbers that mean something to somebody; others are drawn, too.</param>
internal sealed record NumberParameter(string Word, ulong Max, params ulong[] Usual) : Parameter(Word)
{
    /// <inheritdoc/>
    public override bool TryParse(string text, ProgramNames names, out Argument argument)
    {
        bool isNumber = ProgramText.TryNumber(text, out ulong value);
        argument = value;
        return isNumber && value <= Max;
    }

    /// <inheritdoc/>
    public override string Format(Argument argument, ProgramNames names) => ProgramText.Hex(argument.Number);

    /// <inheritdoc/>
    public override Argument Draw(Random random, ProgramNames names)
    {
        if (Usual.Length != 0 && random.Next(4) != 0)
            return Usual[random.Next(Usual.Length)];
        ulong any = (ulong)random.NextInt64() ^ ((ulong)random.NextInt64() << 1);
        return Max == ulong.MaxValue ? any >> random.Next(64) : any % (Max + 1);
    }

    /// <inheritdoc/>
    public override IEnumerable<Argument> Simpler(Argument argument)
    {
        ulong now = argument.Number;
        foreach (ulong simpler in Usual.Where(usual => usual < now).Order())
            yield return simpler;
        for (ulong half = now / 2; half != 0 && half < now; half /= 2)
            yield return half;
    }
}

/// <summary>An address.</summary>
/// <param name="Word">What it is called in the form of a step.</param>
/// <param name="Likely">Kinds of places, each as often as it is likely.</param>
internal sealed record PlaceParameter(string Word, params PlaceKind[] Likely) : Parameter(Word)
{
    private const int PagesMax = 32;

    /// <inheritdoc/>
    public override bool TryParse(string text, ProgramNames names, out Argument argument)
    {
        bool isPlace = Place.TryParse(text, names, out Place place);
        argument = place;
        return isPlace;
    }

    /// <inheritdoc/>
    public override string Format(Argument argument, ProgramNames names) => argument.Place.Format(names);

    /// <inheritdoc/>
    public override Argument Draw(Random random, ProgramNames names)
    {
        PlaceKind kind = Likely[random.Next(Likely.Length)];
        if (kind == PlaceKind.Number)
            return Place.Of(random.Next(3) == 0 ? (ulong)random.NextInt64() << random.Next(2) : (ulong)random.Next(1 << random.Next(1, 31)));
        int number = kind is PlaceKind.Mapping or PlaceKind.Gone ? random.Next(4) : kind is PlaceKind.Vmm ? random.Next(2 * PagesMax) : random.Next(PagesMax / 2);
        ulong offset = random.Next(6) switch
        {
            0 => (ulong)random.Next(0x2000),
            1 => (ulong)random.Next(0x100) * 4,
            2 => (ulong)random.Next(0x80) * 32,
            _ => 0,
        };
        bool isNumbered = kind is PlaceKind.Mapping or PlaceKind.Gone or PlaceKind.Own or PlaceKind.Frame or PlaceKind.Vmm;
        return new Place(kind, kind == PlaceKind.Frame ? random.Next(names.Guests.Count) : 0, isNumbered ? number : 0, offset);
    }

    /// <inheritdoc/>
    public override IEnumerable<Argument> Simpler(Argument argument)
    {
        Place now = argument.Place;
        if (now.Kind != PlaceKind.Number || now.Offset > 1)
            yield return Place.Of(1);

        // What holds needs no story of how it came to hold no longer.
        if (now.Kind == PlaceKind.Gone)
            yield return now with { Kind = PlaceKind.Mapping };
        if (now.Offset != 0)
        {
            yield return now with { Offset = 0 };
            if (now.Offset > 1)
                yield return now with { Offset = now.Offset / 2 };
        }

        if (now.Number != 0)
        {
            yield return now with { Number = 0 };
            if (now.Number > 1)
                yield return now with { Number = now.Number / 2 };
        }
    }
}
