namespace Dma.Vmm;

/// <summary>Whoever replaces device addresses, and hears what becomes of root ports: what is behind one that is reset answers to address 0.</summary>
internal interface IPortAddresses
{
    /// <summary>A root port is about to end its reset.</summary>
    /// <param name="guest">Whose.</param>
    /// <param name="port">The port, from 0 on.</param>
    /// <returns>Whether it may; else its reset goes on until its VM has address 0.</returns>
    bool Enabled(int guest, int port);

    /// <summary>Nothing passes a root port any more.</summary>
    /// <param name="guest">Whose.</param>
    /// <param name="port">The port, from 0 on.</param>
    void Disabled(int guest, int port);

    /// <summary>A VM reset its controller, or has none any more.</summary>
    void Reset(int guest);
}
