using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Which address on the real bus stands for which address of a VM: what a controller with register sets does in hardware, the VMM does in the copies.</summary>
/// <remarks>
/// One address is the VMM's, and no device has it: a copy whose device has none on the bus names it, and finds that nobody answers,
/// as the guest would on a bus of its own.
/// </remarks>
internal sealed class BusAddresses : IAddressedBus, IBusShareObserver
{
    private readonly AddressReplacement _replacement;
    private readonly MergedGuest?[] _guests;
    private readonly MergeOptions _options;
    private readonly EventLoop _loop;
    private readonly byte _nobody;

    /// <summary>No device has an address.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="options">How schedules are merged.</param>
    /// <param name="guests">The VMs, by number.</param>
    public BusAddresses(EventLoop loop, MergeOptions options, MergedGuest?[] guests)
    {
        (_loop, _options, _guests) = (loop, options, guests);
        _replacement = new(loop, this, new() { AddressZeroNsMax = options.AddressZeroNsMax }, guests.Length + 1);
        _nobody = _replacement.Table.Reserve(guests.Length, virtualAddress: 1, granted: 0);
        _replacement.Table.Observer = this;
    }

    private bool IsOn => !_options.Skips(MergeSteps.Addresses);

    /// <summary>Whose an address on the bus is; -1 where it is nobody's.</summary>
    public int OwnerOf(byte real) => real == 0 ? _replacement.Zero.Owner
        : _replacement.Table.EntryOf(real) is { State: not AddressState.Free } entry && entry.Set < _guests.Length ? entry.Set : -1;

    /// <summary>The address on the bus of a device.</summary>
    /// <param name="guest">The VM.</param>
    /// <param name="address">The address that it knows.</param>
    public int RealOf(int guest, int address)
    {
        if (!IsOn)
            return address;
        if (address == 0)
            return _replacement.Zero.Owner == guest ? 0 : _nobody;
        byte real = _replacement.Table.Find(guest, (byte)address);
        return real != 0 ? real : _nobody;
    }

    /// <summary>Whether a transfer to an address has to wait: its VM stands in line for address 0.</summary>
    public bool Holds(int guest, int address) => IsOn && address == 0 && _replacement.Zero.IsWaiting(guest);

    /// <summary>Whether a request has to wait.</summary>
    /// <param name="guest">The VM.</param>
    /// <param name="address">The device.</param>
    /// <param name="setup">The request.</param>
    public bool Holds(int guest, int address, ReadOnlySpan<byte> setup) =>
        IsOn && _replacement.Holds(guest, new(UsbPid.Setup, (byte)address, 0), setup);

    /// <summary>Looks at a request that is about to be copied, and changes the copy.</summary>
    /// <returns><c>false</c> where it must not be sent.</returns>
    public bool TryRequest(int guest, int address, Span<byte> setup) =>
        !IsOn || _replacement.TrySetup(guest, new(UsbPid.Setup, (byte)address, 0), setup);

    /// <summary>A request is over.</summary>
    /// <param name="guest">The VM.</param>
    /// <param name="address">The device.</param>
    /// <param name="isDone">Whether its status stage came; else it failed.</param>
    public void Ended(int guest, int address, bool isDone)
    {
        if (isDone)
            _replacement.Completed(guest, (byte)address);
        else
            _replacement.Forget(guest, (byte)address);
    }

    /// <summary>A root port is about to end its reset.</summary>
    /// <returns>Whether it may; else its reset goes on until its VM has address 0.</returns>
    public bool Enabled(int guest, int port) => _replacement.Enabled(guest, port) || !IsOn;

    /// <summary>Nothing passes a root port any more.</summary>
    public void Disabled(int guest, int port) => _replacement.Disabled(guest, port);

    /// <summary>A VM reset its controller, or has none any more.</summary>
    public void Reset(int guest) => _replacement.Reset(guest);

    /// <inheritdoc/>
    void IAddressedBus.ZeroMoved(int owner)
    {
        _options.Observer?.AddressZeroMoved(owner, _loop.NowNs);

        // Whoever had it must not reach the next one's device.
        foreach (MergedGuest? guest in _guests)
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
