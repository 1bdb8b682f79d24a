using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pages of a VM in which its schedules lie, protected: each store of its processor into them is a fault, and is done by the VMM.</summary>
/// <remarks>A page stays protected; taken off and put on for each store it would cost two faults, and a store in between would be missed.</remarks>
internal sealed class StorePages
{
    private readonly VirtualMachine _machine;
    private readonly Action<int> _stored;
    private HashSet<ulong> _pages = [];
    private HashSet<ulong> _before = [];

    /// <summary>No page is protected.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="stored">Told of stores, and how many.</param>
    public StorePages(VirtualMachine machine, Action<int> stored)
    {
        (_machine, _stored) = (machine, stored);
        machine.Memory.StorePages.Add(this);
    }

    /// <summary>Begins to say anew which pages are protected.</summary>
    public void Begin()
    {
        (_pages, _before) = (_before, _pages);
        _pages.Clear();
    }

    /// <summary>A page is protected.</summary>
    /// <param name="address">Some byte of it.</param>
    public void Hold(ulong address)
    {
        if (_machine.Memory.Contains(new(address), 1))
            _ = _pages.Add(address >> 12);
    }

    /// <summary>Protects what was said, and nothing else.</summary>
    public void End()
    {
        foreach (ulong page in _pages)
        {
            if (!_before.Contains(page))
                _machine.Memory.Protect(new(page << 12), isProtected: true);
        }

        foreach (ulong page in _before)
        {
            if (!_pages.Contains(page))
                _machine.Memory.Protect(new(page << 12), isProtected: false);
        }
    }

    /// <summary>Whether a page is protected.</summary>
    public bool Contains(GuestPhysicalAddress address) => _pages.Contains(address.Page);

    /// <summary>The guest stores into a page; the VMM does it in its place.</summary>
    /// <param name="count">How many stores it is.</param>
    public void Stored(int count) => _stored(count);

    /// <summary>Protects nothing any more.</summary>
    public void Close()
    {
        Begin();
        End();
        _ = _machine.Memory.StorePages.Remove(this);
    }
}
