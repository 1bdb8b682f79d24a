namespace Dma.Vmm;

/// <summary>Where stages of requests of one front end are told.</summary>
/// <param name="watch">Who is told.</param>
/// <param name="frontEnd">The number of the front end.</param>
internal sealed class UrbJournal(IUrbWatch watch, int frontEnd)
{
    /// <summary>A request came to a stage.</summary>
    public void Note(ushort id, UrbStage stage) => watch.Reached(frontEnd, id, stage);
}
