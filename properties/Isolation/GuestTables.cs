using Dma.Iommu.Spec;
using Dma.Machine;
using Step = Dma.Properties.VirtualIommuProgramTests.Step;

namespace Dma.Properties;

/// <summary>What a guest writes into the tables of its remapping unit, and how it tells the unit of it.</summary>
/// <remarks>Pages 0 and 1 are root tables, 2 and 3 context tables, 4 to 15 page tables, 16 the queue, 17 its status, what follows is up to the mode.</remarks>
internal abstract class GuestTables(VirtualIommuGuest guest, SourceId[] places)
{
    public const ulong PageSize = 4096;
    public const ulong GuestBytes = 64 * PageSize;
    public const ulong QueuePage = 16;
    public const ulong LastSystemPage = 21;

    protected const ulong FirstTable = 4;
    protected const ulong LastTable = 15;
    private const int Domains = 2;

    // Programs edit these entries of each table.
    protected static readonly ulong[] Indices = [0, 1, 511];

    /// <summary>Whether the guest keeps quiet about pages that it should invalidate: as if its VMM took no notice.</summary>
    public bool ForgetsPages { get; init; }

    protected VirtualIommuGuest Guest => guest;

    protected SourceId[] Places => places;

    /// <summary>The root table register that leads to one of both root tables.</summary>
    public abstract ulong RootOf(Step step);

    /// <summary>Something that works, for programs to break: a domain for each device, all with the same page tables.</summary>
    public abstract void Begin();

    /// <summary>Changes an entry of a page table.</summary>
    public void Edit(Step step)
    {
        ulong table = TableOf(step.Place);
        guest.Edit((table * PageSize) + (Indices[step.Place / 16 % 3] * 8), Entry(step));
    }

    /// <summary>Changes what leads a device to its page tables.</summary>
    public abstract void EditContext(Step step);

    public abstract void InvalidateIotlb(Step step);

    public abstract void InvalidateContext(Step step);

    public abstract void InvalidateAll();

    /// <summary>Addresses that tables of some levels translate by the entries that programs edit.</summary>
    public static IEnumerable<ulong> Addresses(int levels)
    {
        for (int number = 0; number < 12; number++)
        {
            ulong address = 0;
            for (int level = 1; level <= Math.Min(levels, 4); level++)
                address |= Indices[(number >> (level - 1)) % (level < 3 ? 3 : 2)] << (12 + (9 * (level - 1)));
            yield return address;
        }
    }

    protected static DomainId DomainOf(int value) => new((ushort)(1 + (value % Domains)));

    // Four of them most of the time, so that programs meet.
    protected static ulong TableOf(int value) => FirstTable + (value % 3 == 0 ? (ulong)value % (LastTable - 3) : (ulong)value % 4);

    protected abstract ulong Entry(Step step);
}
