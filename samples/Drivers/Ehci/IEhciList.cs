namespace Dma.Drivers;

/// <summary>A part of the schedule in which queue heads stand.</summary>
internal interface IEhciList
{
    /// <summary>Puts a queue head where the controller finds it.</summary>
    void Link(EhciQueue queue);

    /// <summary>Takes a queue head off and waits until the controller has let go of it.</summary>
    /// <returns>Whether it did; where not, the controller counts as stopped.</returns>
    ValueTask<bool> Unlink(EhciQueue queue);
}
