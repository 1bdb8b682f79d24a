namespace Dma.Vmm;

/// <summary>Told how far requests of front ends came.</summary>
public interface IUrbWatch
{
    /// <summary>A request came to a stage.</summary>
    /// <param name="frontEnd">The number of the front end.</param>
    /// <param name="id">The name of the request.</param>
    /// <param name="stage">How far it came.</param>
    void Reached(int frontEnd, ushort id, UrbStage stage);
}
