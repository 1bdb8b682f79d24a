namespace Dma.Vmm;

/// <summary>The way of a back end to memory of a guest: pages that the guest granted, and no others.</summary>
public interface IGrants
{
    /// <summary>Begins to use a page; it is pinned.</summary>
    /// <param name="grant">The number that the guest named; it may be any.</param>
    /// <param name="isWritten">Whether it shall be written.</param>
    /// <param name="page">The page.</param>
    /// <returns><c>false</c>, and nothing used, where the guest did not grant that.</returns>
    bool TryTake(uint grant, bool isWritten, out GrantedPage page);

    /// <summary>Ends the use of a page.</summary>
    /// <exception cref="InvalidOperationException">It is not used: a bug of the caller.</exception>
    void Return(GrantedPage page);
}
