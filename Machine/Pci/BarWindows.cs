namespace Dma.Machine;

/// <summary>The windows of a function on the system bus, which follow its registers and those of the bridges above it.</summary>
internal sealed class BarWindows(PciFunction function)
{
    private readonly List<(Place Place, BarWindow Window)> _shown = [];
    private SystemBus? _bus;

    /// <summary>Takes back the windows that are no longer decoded and shows the new ones.</summary>
    public void Refresh()
    {
        List<Place> decoded = Decode();
        SystemBus? bus = function.Bus?.Host?.SystemBus;
        if (bus == _bus && decoded.SequenceEqual(_shown.Select(shown => shown.Place)))
            return;
        foreach ((Place place, BarWindow window) in _shown)
            _bus!.RemoveWindow(new(place.Range.First), window);
        _shown.Clear();
        _bus = bus;
        foreach (Place place in decoded)
        {
            BarWindow window = new(function, place.Bar, place.Skipped);
            bus!.AddWindow(new(place.Range.First), place.Range.Last - place.Range.First + 1, window, WindowOrder.UnderMemory);
            _shown.Add((place, window));
        }
    }

    // What a BAR claims, less what the bridges above do not forward.
    private List<Place> Decode()
    {
        List<Place> decoded = [];
        if (function.Bus is not { IsHeldInReset: false } bus || (function.Command & PciCommand.MemorySpace) == 0)
            return decoded;
        foreach (PciBar bar in function.Bars)
        {
            ulong address = bar.Address(function.Configuration);
            foreach (AddressRange reachable in bus.Reachable)
            {
                AddressRange range = reachable.Intersect(new(address, address + (bar.Size - 1)));
                if (!range.IsEmpty)
                    decoded.Add(new(range, bar.Index, range.First - address));
            }
        }

        return decoded;
    }

    private readonly record struct Place(AddressRange Range, int Bar, ulong Skipped);
}
