using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>Which address on the real bus stands for which address of a VM: what a controller with register sets does in hardware, the VMM does in the copies.</summary>
internal sealed class BusAddresses : IAddressedBus, IBusShareObserver, IPortAddresses
{
    private readonly DescriptorAddresses _addresses;
    private readonly CopiedGuest?[] _guests;
    private readonly MergeOptions _options;
    private readonly EventLoop _loop;

    /// <summary>No device has an address.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="options">How schedules are merged.</param>
    /// <param name="guests">The VMs, by number.</param>
    public BusAddresses(EventLoop loop, MergeOptions options, CopiedGuest?[] guests)
    {
        (_loop, _options, _guests) = (loop, options, guests);
        AddressOptions addresses = new() { IsOn = !options.Skips(MergeSteps.Addresses), AddressZeroNsMax = options.AddressZeroNsMax };
        _addresses = new(loop, this, addresses, guests.Length) { Observer = this };
    }

    /// <summary>Whose an address on the bus is; -1 where it is nobody's.</summary>
    public int OwnerOf(byte real) => _addresses.OwnerOf(real);

    /// <inheritdoc cref="DescriptorAddresses.RealOf"/>
    public int RealOf(int guest, int address) => _addresses.RealOf(guest, address);

    /// <inheritdoc cref="DescriptorAddresses.Holds(int, int)"/>
    public bool Holds(int guest, int address) => _addresses.Holds(guest, address);

    /// <inheritdoc cref="DescriptorAddresses.Holds(int, int, ReadOnlySpan{byte})"/>
    public bool Holds(int guest, int address, ReadOnlySpan<byte> setup) => _addresses.Holds(guest, address, setup);

    /// <inheritdoc cref="DescriptorAddresses.TryRequest"/>
    public bool TryRequest(int guest, int address, Span<byte> setup) => _addresses.TryRequest(guest, address, setup);

    /// <inheritdoc cref="DescriptorAddresses.Ended"/>
    public void Ended(int guest, int address, bool isDone) => _addresses.Ended(guest, address, isDone);

    /// <inheritdoc/>
    public bool Enabled(int guest, int port) => _addresses.Enabled(guest, port);

    /// <inheritdoc/>
    public void Disabled(int guest, int port) => _addresses.Disabled(guest, port);

    /// <inheritdoc/>
    public void Reset(int guest) => _addresses.Reset(guest);

    /// <inheritdoc/>
    void IAddressedBus.ZeroMoved(int owner)
    {
        _options.Observer?.AddressZeroMoved(owner, _loop.NowNs);

        // Whoever had it must not reach the next one's device.
        foreach (CopiedGuest? guest in _guests)
            guest?.RefreshAddresses();
        if (owner >= 0)
            _guests[owner]?.Ports.Release();
    }

    /// <inheritdoc/>
    void IAddressedBus.Shut(int set, int port) => _guests[set]?.Ports.ShutByError(port);

    /// <inheritdoc/>
    void IBusShareObserver.AddressChanged(in AddressChange change)
    {
        if (change.Entry.Set >= _guests.Length)
            return;
        _options.Observer?.AddressChanged(change);
        _guests[change.Entry.Set]?.RefreshAddresses();
    }
}
