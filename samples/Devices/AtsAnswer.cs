namespace Dma.Devices;

/// <summary>How an <see cref="AtsDevice"/> answers when it is told to forget translations.</summary>
public enum AtsAnswer
{
    /// <summary>It forgets them, and says so when nothing that is under way uses them any more.</summary>
    Honest = 0,

    /// <summary>It does so after a delay, and uses them until then.</summary>
    Late,

    /// <summary>It neither forgets them nor answers.</summary>
    Never,

    /// <summary>It forgets them, and says so twice.</summary>
    Twice,

    /// <summary>It says that it forgot them, and goes on using them.</summary>
    Liar,
}
