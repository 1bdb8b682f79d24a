using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>How the addresses in first-stage tables reach memory: as they are, or through a second stage.</summary>
/// <remarks>A type parameter of the walk, so that a first stage alone costs nothing for what nesting needs.</remarks>
internal interface IFirstStageTables
{
    /// <summary>Finds an entry of a table.</summary>
    /// <param name="address">Where the first stage says that it is.</param>
    /// <param name="isTop">Whether it belongs to the top table.</param>
    /// <param name="observer">Who watches.</param>
    /// <param name="place">Where it is in memory.</param>
    /// <returns>Why it cannot be read.</returns>
    FaultReason Locate<TObserver>(ulong address, bool isTop, TObserver observer, out ulong place)
        where TObserver : struct, IWalkObserver;

    /// <summary>Finds an entry of a table, the quick way; <c>false</c> where <see cref="Locate"/> has to be asked.</summary>
    bool TryLocateQuickly(in QuadwordReader memory, ulong address, out ulong place);

    /// <summary>Asks for the right to update an entry.</summary>
    /// <param name="address">Where the first stage says that it is.</param>
    /// <param name="observer">Who watches.</param>
    /// <returns>Why it cannot be written.</returns>
    FaultReason AdmitUpdate<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver;

    /// <summary>Finds the page that a first-stage page leads to.</summary>
    /// <param name="address">The address that the first stage made of the request's.</param>
    /// <param name="level">The level of the first-stage page.</param>
    /// <param name="demand">What the request needs.</param>
    /// <param name="writes">Whether the first stage lets it write.</param>
    /// <param name="observer">Who watches.</param>
    /// <returns>The page, as large as both stages make it, with the rights of the second stage; or why there is none.</returns>
    Translation FindPage<TObserver>(ulong address, int level, in Demand demand, bool writes, TObserver observer)
        where TObserver : struct, IWalkObserver;

    /// <summary>Finds the page that a first-stage page leads to, the quick way; <c>false</c> where <see cref="FindPage"/> has to be asked.</summary>
    bool TryFindPageQuickly(in QuadwordReader memory, ulong address, int level, in Demand demand, out Translation page);
}
