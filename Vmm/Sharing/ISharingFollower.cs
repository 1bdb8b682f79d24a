namespace Dma.Vmm;

/// <summary>Goes along with what is decided about a shared controller: who has which set and port, and what guests ask of their devices.</summary>
/// <remarks>It is told at once and must not wait; what takes time it does afterwards.</remarks>
public interface ISharingFollower
{
    /// <summary>A request is held, or something became of one: to be answered by <see cref="SharedUsbController.Answer"/>.</summary>
    void Noticed(in RequestNotice notice);

    /// <summary>A VM has a register set, or has it no more.</summary>
    /// <param name="set">From 0 on.</param>
    /// <param name="isGiven">Whether one has it.</param>
    void SetMoved(int set, bool isGiven);

    /// <summary>A root port belongs to another set.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="set">From 0 on; null for none.</param>
    void PortMoved(int port, int? set);
}
