namespace Dma.Lab;

/// <summary>The words of one line, taken from left to right; the first that is missing or wrong is remembered.</summary>
/// <param name="line">The line, without its end.</param>
internal ref struct QtestArguments(ReadOnlySpan<byte> line)
{
    private ReadOnlySpan<byte> _rest = Trim(line);

    /// <summary>What is wrong with the words taken so far; null where nothing is.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether no word is left.</summary>
    public readonly bool IsAtEnd => _rest.IsEmpty;

    /// <summary>The next word; empty where none is left.</summary>
    public ReadOnlySpan<byte> Word()
    {
        int end = _rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = end < 0 ? _rest : _rest[..end];
        _rest = Trim(_rest[word.Length..]);
        return word;
    }

    /// <summary>The next word, which must be there.</summary>
    /// <param name="name">What the protocol calls it.</param>
    public ReadOnlySpan<byte> Word(string name)
    {
        if (_rest.IsEmpty)
            Refuse($"{name} is missing");
        return Word();
    }

    /// <summary>The next word as a number; 0 where it is none.</summary>
    /// <param name="name">What the protocol calls it.</param>
    /// <param name="max">The largest that has a meaning.</param>
    public ulong Number(string name, ulong max = ulong.MaxValue)
    {
        ReadOnlySpan<byte> word = Word(name);
        if (word.IsEmpty)
            return 0;
        if (!QtestNumber.TryParse(word, out ulong value))
            Refuse($"{name} is no number of 64 bits");
        else if (value > max)
            Refuse($"{name} is more than 0x{max:x}");
        return value;
    }

    /// <summary>Whether all words were right and none is left.</summary>
    /// <param name="answer">Gets the refusal where not.</param>
    public bool AreGood(QtestAnswer answer)
    {
        if (!_rest.IsEmpty)
            Refuse("too many words");
        if (Problem is not { } problem)
            return true;
        answer.Fail(problem);
        return false;
    }

    /// <summary>Notes a mistake; the first one counts.</summary>
    public void Refuse(string problem) => Problem ??= problem;

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> words) => words.Trim((byte)' ');
}
