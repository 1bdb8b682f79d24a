using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The requests by which drivers choose what devices send periodically, SET_CONFIGURATION and SET_INTERFACE: each waits until software lets it go out.</summary>
/// <remarks>
/// The whole request is held, not its status stage alone, so that a device never does what is refused afterwards. One that is
/// refused never goes out: the controller acknowledges its SETUP packet and answers STALL to what follows, as a device would.
/// </remarks>
/// <param name="held">Requests that wait for software.</param>
/// <param name="table">Which device has which address.</param>
/// <param name="setCount">Register sets.</param>
internal sealed class ConfigurationRequests(HeldRequests held, AddressTable table, int setCount)
{
    private readonly bool[] _refused = new bool[setCount * UsbBus.AddressCount];

    /// <summary>Whether software decides; where it does not, all go out.</summary>
    public bool AreHeld
    {
        get;
        set
        {
            field = value;
            for (int set = 0; !value && set < setCount; set++)
                held.Clear(set, isFollowed: true);
        }
    }

    /// <summary>What devices said of themselves.</summary>
    public SeenConfigurations Seen { get; } = new();

    /// <summary>Whether a request has to wait.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    /// <param name="data">The data that would follow.</param>
    public bool Holds(int set, in UsbToken token, ReadOnlySpan<byte> data)
    {
        if (!AreHeld || token.Pid != UsbPid.Setup || token.Endpoint != 0 || data.Length != SetupPacket.Size || table.Find(set, token.Address) == 0)
            return false;
        SetupPacket setup = Packed.Read<SetupPacket>(data);
        return IsOfKind(setup) && held.Holds(set, token, setup, isFollowed: true, out _);
    }

    /// <summary>A request is about to go out.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    /// <param name="data">The SETUP packet.</param>
    /// <returns><c>false</c> where it is refused.</returns>
    public bool TryBegin(int set, in UsbToken token, ReadOnlySpan<byte> data)
    {
        SetupPacket setup = Packed.Read<SetupPacket>(data);
        held.GiveUp(set, token.Address, setup);
        bool isRefused = AreHeld && IsOfKind(setup) && held.Take(set, token.Address, setup) == 0;
        _refused[IndexOf(set, token.Address)] = isRefused;
        if (!isRefused)
            Seen.Began(table.Find(set, token.Address), setup);
        return !isRefused;
    }

    /// <summary>Whether the last request to a device was refused: nothing goes out to its endpoint 0 before the next one.</summary>
    public bool IsRefused(int set, in UsbToken token) => token.Endpoint == 0 && _refused[IndexOf(set, token.Address)];

    /// <summary>A request is over: its status stage came, or it never will.</summary>
    public void Ended(int set, byte address, bool isDone) => held.Ended(set, address, isDone);

    /// <summary>A device lost its address: by a reset, a plug, or another address.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="address">The device, as its driver called it.</param>
    /// <param name="real">Its address on the bus.</param>
    public void Lost(int set, byte address, byte real)
    {
        Seen.Forget(real);
        _refused[IndexOf(set, address)] = false;
        if (AreHeld)
            held.Lose(set, address);
    }

    // By type and number alone: a device need not look at direction, recipient or length either.
    private static bool IsOfKind(in SetupPacket setup) =>
        setup is { Type: RequestType.Standard, Request: (byte)StandardRequest.SetConfiguration or (byte)StandardRequest.SetInterface };

    private static int IndexOf(int set, byte address) => (set * UsbBus.AddressCount) + address;
}
