using Dma.Hal;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A process: a page table of four levels, and pages that come when they are touched.</summary>
/// <param name="cpu">The processor on which it runs.</param>
/// <param name="takeFrame">Gives it a page of zeros.</param>
internal sealed class PagedProcess(ICpu cpu, Func<GuestPhysicalAddress> takeFrame) : IPageSupplier
{
    private readonly Dictionary<ulong, GuestPhysicalAddress> _pages = [];

    public PagedProcess(BareMetal machine)
        : this(machine.Cpu, () => Frame(machine))
    {
    }

    public GuestPhysicalAddress Root { get; } = takeFrame();

    /// <summary>Addresses that are the process's; others cannot be had.</summary>
    public Func<ulong, bool> Owns { get; init; } = static address => address < 0x8000_0000_0000;

    public int Supplied { get; private set; }

    /// <summary>Groups in the order in which they were asked for.</summary>
    public List<PageRequestGroup> Groups { get; } = [];

    public async ValueTask<PageResponseCode> Supply(PageRequestGroup group)
    {
        Groups.Add(group);
        await cpu.Processor.Delay(2_000);
        foreach (PageRequestDescriptor page in group.Pages)
        {
            if (!Owns(page.Address.Value))
                return PageResponseCode.InvalidRequest;
            Touch(page.Address.Value);
        }

        return PageResponseCode.Success;
    }

    /// <summary>The page of an address, mapped from now on.</summary>
    public GuestPhysicalAddress Touch(ulong address)
    {
        ulong number = address >> 12;
        if (_pages.TryGetValue(number, out GuestPhysicalAddress page))
            return page;
        Supplied++;
        _pages[number] = page = takeFrame();
        Put(Place(address), new FirstStageEntry { Present = true, Writable = true, User = true, Address = new(page.Value) });
        return page;
    }

    /// <summary>Lets an address lead anywhere.</summary>
    public void Lead(ulong address, GuestPhysicalAddress page)
    {
        _ = Touch(address);
        Put(Place(address), new FirstStageEntry { Present = true, Writable = true, User = true, Address = new(page.Value) });
    }

    /// <summary>Takes a page away; what caches hold of it is up to the caller.</summary>
    public void Remove(ulong address)
    {
        Put(Place(address), default);
        _ = _pages.Remove(address >> 12);
    }

    public void Write(ulong address, ulong value) => cpu.Store(Touch(address) + (address & 0xFFF), 8, value);

    public ulong Read(ulong address) => cpu.Load(Touch(address) + (address & 0xFFF), 8);

    private GuestPhysicalAddress Place(ulong address)
    {
        GuestPhysicalAddress table = Root;
        for (int level = 4; ; level--)
        {
            GuestPhysicalAddress place = table + ((address >> (3 + (9 * level)) & 0x1FF) * 8);
            if (level == 1)
                return place;
            FirstStageEntry entry = new(new(cpu.Load(place, 8)));
            if (!entry.Present)
            {
                entry = new() { Present = true, Writable = true, User = true, Address = new(takeFrame().Value) };
                Put(place, entry);
            }

            table = new(entry.Address.Value);
        }
    }

    private void Put(GuestPhysicalAddress place, FirstStageEntry entry) => cpu.Store(place, 8, entry.Raw.Value);

    private static GuestPhysicalAddress Frame(BareMetal machine)
    {
        Assert.True(machine.Frames.TryAllocate(out GuestPhysicalAddress frame));
        Assert.True(machine.Cpu.TryWrite(frame, new byte[4096]));
        return frame;
    }
}
