using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The root ports that one register set shows: what happens to them from outside, and what software writes.</summary>
internal sealed class EhciRootPorts
{
    private readonly EhciRegisterSet _set;
    private readonly EhciRegisters _registers;
    private readonly AddressReplacement? _addresses;
    private readonly EhciRootPort[] _ports;

    /// <summary>Ports without sockets.</summary>
    /// <param name="set">Whose they are; it is told of what software has to know.</param>
    /// <param name="registers">Its registers.</param>
    /// <param name="count">How many.</param>
    /// <param name="rootCount">How many of them, the first ones, have the bus behind them.</param>
    /// <param name="addresses">What keeps the device addresses of several sets apart; null where nothing does.</param>
    public EhciRootPorts(EhciRegisterSet set, EhciRegisters registers, int count, int rootCount, AddressReplacement? addresses)
    {
        (_set, _registers, _addresses, RootCount) = (set, registers, addresses, rootCount);
        _ports = new EhciRootPort[count];
        for (int index = 0; index < count; index++)
            _ports[index] = new(registers, index, this);
    }

    /// <summary>The ports, the first one is number 1.</summary>
    public IReadOnlyList<EhciRootPort> All => _ports;

    /// <summary>How many there are.</summary>
    public int Count => _ports.Length;

    /// <summary>How many of them, the first ones, have the bus behind them; behind the others are devices that software provides.</summary>
    public int RootCount { get; }

    /// <summary>CONFIGFLAG: whether they belong to this controller.</summary>
    public bool IsConfigured => (_registers.File[EhciRegisters.ConfigureFlagAt] & 1) != 0;

    /// <summary>When <see cref="Tick"/> has something to do.</summary>
    public ulong DueNs
    {
        get
        {
            ulong due = EhciRootPort.Never;
            foreach (EhciRootPort port in _ports)
                due = Math.Min(due, port.DueNs);
            return due;
        }
    }

    /// <summary>The registers are at their reset values.</summary>
    public void Reset()
    {
        foreach (EhciRootPort port in _ports)
            port.Reset();
    }

    /// <summary>Puts a port before a socket, or before none.</summary>
    /// <param name="index">The port, from 0 on.</param>
    /// <param name="socket">The socket; null for none.</param>
    public void Face(int index, UsbPort? socket) => _set.PortChanged(_ports[index].Face(socket, IsConfigured));

    /// <summary>The current through a port became too much, or is well again.</summary>
    public void SetOverCurrent(int index, bool isOver) => _set.PortChanged(_ports[index].SetOverCurrent(isOver, IsConfigured));

    /// <summary>A device came or went.</summary>
    public void Connect(int index) => _set.PortChanged(_ports[index].Connect(IsConfigured));

    /// <summary>A suspended device wants to wake the host.</summary>
    public void Wake(int index) => _set.PortChanged(_ports[index].Wake());

    /// <summary>A device did not stop talking in time: in the middle of a microframe, whose end settles what follows.</summary>
    public void Babble(int index) => _set.RaiseIf(_ports[index].DisableByError());

    /// <summary>Shuts a port, as after an error.</summary>
    /// <param name="port">The root port of the bus, from 0 on; -1 for all of its own.</param>
    public void Shut(int port)
    {
        bool isChange = false;
        foreach (EhciRootPort own in _ports.AsSpan(0, RootCount))
        {
            if (own.Socket is { } socket && (port < 0 || socket.Number - 1 == port))
                isChange |= own.DisableByError();
        }

        _set.PortChanged(isChange);
    }

    /// <summary>CONFIGFLAG was written.</summary>
    public void Route()
    {
        foreach (EhciRootPort port in _ports)
            _set.RaiseIf(port.Route(IsConfigured));
    }

    /// <summary>PORTSC of a port was written.</summary>
    /// <param name="index">The port, from 0 on.</param>
    /// <param name="before">Its value before.</param>
    /// <param name="nowNs">The time.</param>
    public void Written(int index, PortStatusControl before, ulong nowNs) => _set.RaiseIf(_ports[index].Written(before, nowNs, IsConfigured));

    /// <summary>Does what time alone brings: the ends of resets and resumes.</summary>
    public void Tick(ulong nowNs)
    {
        foreach (EhciRootPort port in _ports)
        {
            if (port.DueNs <= nowNs)
                port.Tick(nowNs);
        }
    }

    /// <summary>A port became enabled, or is not any more.</summary>
    public void EnabledChanged(EhciRootPort port, bool isEnabled)
    {
        if (_addresses is null || port.Socket is not { } socket || socket.Bus == _set.Internal?.Usb)
            return;
        if (isEnabled)
            port.IsHeld = !_addresses.Enabled(_set.Number, socket.Number - 1);
        else
            _addresses.Disabled(_set.Number, socket.Number - 1);
    }

    /// <summary>Address 0 is the set's now: what was reset meanwhile may answer.</summary>
    public void Release()
    {
        foreach (EhciRootPort port in _ports)
            port.IsHeld = false;
    }
}
