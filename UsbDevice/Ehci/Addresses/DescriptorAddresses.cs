using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Device addresses that are replaced in descriptors: for an ordinary controller, which has no stage between its descriptors and the packets that follow from them.</summary>
/// <remarks>
/// One address of the bus is nobody's, and no device has it: a descriptor whose device has none on the bus names it, and finds that nobody
/// answers, as its user would on a bus of its own.
/// </remarks>
public sealed class DescriptorAddresses
{
    private readonly AddressReplacement _replacement;
    private readonly AddressOptions _options;
    private readonly int _users;
    private readonly byte _nobody;

    /// <summary>No device has an address.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="bus">What carries out what is decided.</param>
    /// <param name="options">How addresses are replaced.</param>
    /// <param name="users">How many share the bus.</param>
    public DescriptorAddresses(EventLoop loop, IAddressedBus bus, AddressOptions options, int users)
    {
        (_options, _users) = (options, users);
        _replacement = new(loop, bus, options, users + 1);
        _nobody = _replacement.Table.Reserve(users, virtualAddress: 1, granted: 0);
    }

    /// <summary>Whether addresses are replaced at all.</summary>
    public bool IsOn => _options.IsOn;

    /// <summary>The address that is nobody's.</summary>
    public int Nobody => _nobody;

    /// <summary>Who has address 0; -1 for none.</summary>
    public int ZeroOwner => _replacement.Zero.Owner;

    /// <summary>Who is told of changes, or null.</summary>
    public IBusShareObserver? Observer
    {
        get => _replacement.Table.Observer;
        set => _replacement.Table.Observer = value;
    }

    /// <summary>Whose an address on the bus is; free for the one that is nobody's.</summary>
    public AddressEntry EntryOf(byte real) => _replacement.Table.EntryOf(real) is var entry && entry.Set < _users ? entry : default;

    /// <summary>Who has an address on the bus; -1 for nobody.</summary>
    public int OwnerOf(byte real) => real == 0 ? ZeroOwner : EntryOf(real) is { State: not AddressState.Free } entry ? entry.Set : -1;

    /// <summary>The address on the bus of a device.</summary>
    /// <param name="user">Whose device.</param>
    /// <param name="address">The address that its driver knows.</param>
    public int RealOf(int user, int address)
    {
        if (!IsOn)
            return address;
        if (address == 0)
            return ZeroOwner == user ? 0 : _nobody;
        byte real = _replacement.Table.Find(user, (byte)address);
        return real != 0 ? real : _nobody;
    }

    /// <summary>Whether a device has an address on the bus.</summary>
    public bool IsThere(int user, int address) => !IsOn || RealOf(user, address) != _nobody;

    /// <summary>Whether a transfer to an address has to wait: its user stands in line for address 0.</summary>
    public bool Holds(int user, int address) => IsOn && address == 0 && _replacement.Zero.IsWaiting(user);

    /// <summary>Whether a request has to wait.</summary>
    /// <param name="user">Whose.</param>
    /// <param name="address">The device.</param>
    /// <param name="setup">The request.</param>
    public bool Holds(int user, int address, ReadOnlySpan<byte> setup) =>
        IsOn && _replacement.Holds(user, new(UsbPid.Setup, (byte)address, 0), setup);

    /// <summary>Looks at a request that is about to be sent, and changes it.</summary>
    /// <returns><c>false</c> where it must not be sent.</returns>
    public bool TryRequest(int user, int address, Span<byte> setup) =>
        !IsOn || _replacement.TrySetup(user, new(UsbPid.Setup, (byte)address, 0), setup);

    /// <summary>A request is over.</summary>
    /// <param name="user">Whose.</param>
    /// <param name="address">The device.</param>
    /// <param name="isDone">Whether its status stage came; else it failed.</param>
    public void Ended(int user, int address, bool isDone)
    {
        if (isDone)
            _replacement.Completed(user, (byte)address);
        else
            _replacement.Forget(user, (byte)address);
    }

    /// <summary>A root port is about to end its reset.</summary>
    /// <returns>Whether it may; else its reset goes on until its user has address 0.</returns>
    public bool Enabled(int user, int port) => _replacement.Enabled(user, port) || !IsOn;

    /// <summary>Nothing passes a root port any more.</summary>
    public void Disabled(int user, int port) => _replacement.Disabled(user, port);

    /// <summary>A user reset its controller, or has none any more.</summary>
    public void Reset(int user) => _replacement.Reset(user);
}
