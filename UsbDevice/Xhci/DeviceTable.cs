namespace Dma.UsbDevice;

/// <summary>All slots of a controller, and its root ports.</summary>
internal sealed class DeviceTable
{
    private readonly XhciRegisters _registers;
    private readonly DeviceSlot[] _slots;

    /// <summary>A table in which no slot is given out.</summary>
    public DeviceTable(XhciRegisters registers, XhciOptions options, IReadOnlyList<RootPort> ports)
    {
        (_registers, Ports) = (registers, ports);
        _slots = [.. Enumerable.Range(1, options.SlotCount).Select(static id => new DeviceSlot(id))];
    }

    /// <summary>The slots, that with number 1 first.</summary>
    public IReadOnlyList<DeviceSlot> Slots => _slots;

    /// <summary>The root ports, that with number 1 first.</summary>
    public IReadOnlyList<RootPort> Ports { get; }

    /// <summary>The slot with a number, if it was given out; null otherwise.</summary>
    public DeviceSlot? Find(int id) => (uint)(id - 1) < (uint)_slots.Length && _slots[id - 1].IsEnabled ? _slots[id - 1] : null;

    /// <summary>The lowest slot that is free and that software uses; null where there is none.</summary>
    public DeviceSlot? FindFree()
    {
        int count = Math.Min(_slots.Length, _registers.SlotsEnabled);
        for (int index = 0; index < count; index++)
        {
            if (!_slots[index].IsEnabled)
                return _slots[index];
        }

        return null;
    }

    /// <summary>The lowest address that no device at a root port has; 0 where all are taken.</summary>
    public byte FindAddress(RootPort port)
    {
        Span<bool> taken = stackalloc bool[UsbBus.AddressCount];
        foreach (DeviceSlot slot in _slots)
        {
            if (slot.IsEnabled && slot.Port == port)
                taken[slot.Address & (UsbBus.AddressCount - 1)] = true;
        }

        taken[0] = true;
        int free = taken.IndexOf(false);
        return (byte)Math.Max(free, 0);
    }

    /// <summary>No slot is given out any more.</summary>
    public void Reset()
    {
        foreach (DeviceSlot slot in _slots)
            slot.Disable();
    }
}
