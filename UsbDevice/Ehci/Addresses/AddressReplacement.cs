using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The stage between a descriptor and the packets that follow from it, on a bus that several register sets share: it puts the address that a device really has in the place of the one that its driver gave it.</summary>
/// <remarks>
/// It looks at every token, at the hub in every split, and at the SETUP packets that change who answers to an address:
/// SET_ADDRESS, and the reset of a hub's port. Memory of a driver holds its own addresses, always.
/// </remarks>
public sealed class AddressReplacement
{
    private readonly AddressOptions _options;
    private readonly HeldRequests? _held;
    private readonly ControlRequest[] _requests;

    /// <summary>No device has an address.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="bus">What carries out what it decides.</param>
    /// <param name="options">How addresses are replaced.</param>
    /// <param name="setCount">How many register sets there are.</param>
    public AddressReplacement(EventLoop loop, IAddressedBus bus, AddressOptions options, int setCount)
        : this(loop, bus, options, setCount, held: null)
    {
    }

    // `held`: the requests on which software decides; null where it decides on none.
    internal AddressReplacement(EventLoop loop, IAddressedBus bus, AddressOptions options, int setCount, HeldRequests? held)
    {
        (_options, _held) = (options, held);
        Table = new(options, setCount);
        Zero = new(loop, bus, Table, options, Statistics, setCount);
        _requests = new ControlRequest[setCount * UsbBus.AddressCount];
    }

    private enum RequestKind : byte
    {
        None = 0,
        SetAddress,
        GiveUpAddress,
        ResetPort,
        ShutPort,
    }

    /// <summary>Which device has which address.</summary>
    public AddressTable Table { get; }

    /// <summary>Who has address 0.</summary>
    public AddressZero Zero { get; }

    /// <summary>What it did.</summary>
    public AddressStatistics Statistics { get; } = new();

    /// <summary>Whether a transaction has to wait, and is not sent now: for address 0, or for an answer of software.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    /// <param name="data">The data that would follow.</param>
    public bool Holds(int set, in UsbToken token, ReadOnlySpan<byte> data)
    {
        if (token.Endpoint != 0)
            return false;
        if (token.Address == 0 && Zero.IsWaiting(set))
            return true;
        if (token.Pid != UsbPid.Setup || data.Length != SetupPacket.Size)
            return false;
        SetupPacket setup = Packed.Read<SetupPacket>(data);
        return KindOf(setup, token.Address) switch
        {
            RequestKind.ResetPort or RequestKind.GiveUpAddress => Table.Find(set, token.Address) != 0 && !Zero.Request(set),
            RequestKind.SetAddress => AsksSoftware(set, token, setup),
            _ => false,
        };
    }

    /// <summary>Puts real addresses into a token.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    /// <param name="sent">The token as it goes out.</param>
    /// <returns><c>false</c> where it must not go out, since no device of the set has the address.</returns>
    public bool TryReplace(int set, in UsbToken token, out UsbToken sent)
    {
        Statistics.Lookups += token.IsSplit ? 2u : 1u;
        sent = Replace(set, token);
        bool isMapped = (token.Address == 0 ? Zero.MayUse(set) : sent.Address != 0)
            && (!token.IsSplit || sent.Split.HubAddress != 0);
        if (!isMapped)
            Statistics.Unsent++;
        return isMapped;
    }

    /// <summary>A token with real addresses; 0 where no device of the set has one.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    public UsbToken Replace(int set, in UsbToken token)
    {
        UsbToken sent = token with { Address = Table.Find(set, token.Address) };
        return token.IsSplit && _options.ReplacesHubs
            ? sent with { Split = token.Split with { HubAddress = Table.Find(set, token.Split.HubAddress) } }
            : sent;
    }

    /// <summary>Looks at a SETUP packet that is about to be sent, and changes what it says.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">The token as the driver meant it.</param>
    /// <param name="data">The packet, as the driver meant it; on return as it goes out.</param>
    /// <returns><c>false</c> where it must not go out.</returns>
    public bool TrySetup(int set, in UsbToken token, Span<byte> data)
    {
        Forget(set, token.Address);
        SetupPacket setup = Packed.Read<SetupPacket>(data);
        ref ControlRequest request = ref _requests[(set * UsbBus.AddressCount) + token.Address];
        RequestKind kind = KindOf(setup, token.Address);
        byte own = Table.Find(set, token.Address);
        switch (kind)
        {
            case RequestKind.SetAddress:
                byte wanted = AddressIn(setup);
                byte real = Table.Reserve(set, wanted, _held?.Take(set, token.Address, setup) ?? 0);
                if (real == 0)
                {
                    Statistics.Refused++;
                    return false;
                }

                request = new(kind, real, wanted);
                if (_options.RewritesSetup)
                    Packed.Write(setup with { Value = real }, data);
                return true;
            case RequestKind.GiveUpAddress:
                request = new(kind, own, 0);
                Zero.Add(set, Table.PlaceOf(own));
                return true;
            case RequestKind.ResetPort:
                request = new(kind, own, (byte)setup.Index);
                Zero.Add(set, new(Table.PlaceOf(own).Port, own, (byte)setup.Index));
                return true;
            case RequestKind.ShutPort:
                request = new(kind, own, (byte)setup.Index);
                return true;
            default:
                return true;
        }
    }

    /// <summary>The status stage of a request that was looked at came.</summary>
    public void Completed(int set, byte virtualAddress)
    {
        ref ControlRequest slot = ref _requests[(set * UsbBus.AddressCount) + virtualAddress];
        (ControlRequest request, slot) = (slot, default);
        switch (request.Kind)
        {
            case RequestKind.SetAddress:
                Addressed(set, virtualAddress, request.Real);
                break;
            case RequestKind.GiveUpAddress:
                Table.Move(request.Real, 0);
                break;
            case RequestKind.ResetPort:
                Table.FreeHubPort(request.Real, request.Operand);
                break;
            case RequestKind.ShutPort:
                Table.FreeHubPort(request.Real, request.Operand);
                Zero.Remove(set, place => place.Hub == request.Real && place.HubPort == request.Operand);
                break;
            default:
                break;
        }
    }

    /// <summary>A request was refused, or another one begins.</summary>
    public void Forget(int set, byte virtualAddress)
    {
        ref ControlRequest slot = ref _requests[(set * UsbBus.AddressCount) + virtualAddress];
        (ControlRequest request, slot) = (slot, default);
        if (request.Kind == RequestKind.SetAddress)
            Table.Cancel(request.Real);
        if (request.Kind == RequestKind.GiveUpAddress)
            Zero.Remove(set, place => place == Table.PlaceOf(request.Real));
        if (request.Kind == RequestKind.ResetPort)
            Zero.Remove(set, place => place.Hub == request.Real && place.HubPort == request.Operand);
    }

    /// <summary>A root port was reset, and the device behind it answers to address 0.</summary>
    /// <returns>Whether it may; else nothing shall pass the port until its set has address 0.</returns>
    public bool Enabled(int set, int port)
    {
        Zero.Add(set, new(port));
        return Zero.Request(set);
    }

    /// <summary>Nothing passes a root port any more: what is behind it will be reset before it answers again.</summary>
    public void Disabled(int set, int port)
    {
        if (_options.FreesAddresses)
            Table.FreePort(port);
        Zero.Remove(set, place => place.Port == port);
        ForgetLost(set);
    }

    /// <summary>A register set was reset: nothing passes its ports.</summary>
    public void Reset(int set)
    {
        for (int address = 0; address < UsbBus.AddressCount; address++)
            Forget(set, (byte)address);
        _held?.Clear(set, isFollowed: false);
        Table.FreeSet(set);
        Zero.GiveUp(set);
    }

    private void Addressed(int set, byte from, byte real)
    {
        if (from != 0)
        {
            Table.Move(Table.Find(set, from), real);
            return;
        }

        Statistics.Assigned++;

        // Where several devices may answer to address 0, nobody can tell which of them this was, and the others still may.
        bool isOnly = Zero.PlacesOf(set).Count == 1;
        Table.Commit(real, isOnly ? Zero.PlacesOf(set)[0] : DevicePlace.Anywhere);
        if (isOnly)
            Zero.GiveUp(set);
    }

    // Requests to devices that are gone with their port.
    private void ForgetLost(int set)
    {
        for (int address = 0; address < UsbBus.AddressCount; address++)
        {
            bool isLost = address == 0 ? Zero.PlacesOf(set).Count == 0 : Table.Find(set, (byte)address) == 0;
            if (isLost && _requests[(set * UsbBus.AddressCount) + address].Kind != RequestKind.None)
                Forget(set, (byte)address);
        }
    }

    private bool AsksSoftware(int set, in UsbToken token, in SetupPacket setup)
    {
        byte wanted = AddressIn(setup);
        if (_held is not { } held || _options.Assignment != AddressAssignment.Software || wanted == 0 || Table.Find(set, wanted) != 0)
            return false;
        bool isHeld = held.Holds(set, token, setup, isFollowed: false, out bool isNew);
        Statistics.Asked += isNew ? 1u : 0;
        return isHeld;
    }

    private static byte AddressIn(in SetupPacket setup) => (byte)(setup.Value & (UsbBus.AddressCount - 1));

    private static RequestKind KindOf(in SetupPacket setup, byte address)
    {
        if (setup is { In: false, Type: RequestType.Standard, Recipient: RequestRecipient.Device, Request: (byte)StandardRequest.SetAddress, Value: < UsbBus.AddressCount })
            return setup.Value != 0 ? RequestKind.SetAddress : address != 0 ? RequestKind.GiveUpAddress : RequestKind.None;
        if (address == 0 || setup is not { In: false, Type: RequestType.Class, Recipient: RequestRecipient.Other })
            return RequestKind.None;
        return ((StandardRequest)setup.Request, (PortFeature)setup.Value) switch
        {
            (StandardRequest.SetFeature, PortFeature.Reset) => RequestKind.ResetPort,
            (StandardRequest.ClearFeature, PortFeature.Enable or PortFeature.Power) => RequestKind.ShutPort,
            _ => RequestKind.None,
        };
    }

    // Real: the address that a device shall have, or that a hub has. Operand: the address asked for, or the port of the hub.
    private readonly record struct ControlRequest(RequestKind Kind, byte Real, byte Operand);
}
