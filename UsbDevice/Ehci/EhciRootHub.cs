namespace Dma.UsbDevice;

/// <summary>The bus at the root ports of a controller, and to which register set each port belongs.</summary>
/// <remarks>A port appears in its set at the place of its number, counted around; to others it is one with nothing in it.</remarks>
internal sealed class EhciRootHub : IPortOwner
{
    private readonly EhciRegisterSet?[] _owners;

    /// <summary>A bus with empty ports, which belong to nobody.</summary>
    /// <param name="portCount">Root ports.</param>
    public EhciRootHub(int portCount)
    {
        _owners = new EhciRegisterSet?[portCount];
        Usb = new(this, UsbSpeed.High, portCount);
    }

    /// <summary>The bus.</summary>
    public UsbBus Usb { get; }

    /// <summary>Whether a set sees that a port was taken from it.</summary>
    public bool ShowsLeaving { get; set; } = true;

    /// <summary>The set that a root port belongs to; null where it belongs to none.</summary>
    /// <param name="port">From 0 on.</param>
    public EhciRegisterSet? OwnerOf(int port) => _owners[port];

    /// <summary>Whether a set has another root port already at the place where one would appear.</summary>
    /// <param name="set">The set.</param>
    /// <param name="port">From 0 on.</param>
    public bool IsPlaceTaken(EhciRegisterSet set, int port)
    {
        for (int other = port % set.Ports.RootCount; other < _owners.Length; other += set.Ports.RootCount)
        {
            if (other != port && _owners[other] == set)
                return true;
        }

        return false;
    }

    /// <summary>Gives a root port to a set.</summary>
    /// <param name="port">From 0 on.</param>
    /// <param name="set">The set, or null.</param>
    public void Give(int port, EhciRegisterSet? set)
    {
        EhciRegisterSet? before = _owners[port];
        if (before == set)
            return;
        _owners[port] = set;
        if (ShowsLeaving)
            before?.Ports.Face(port % before.Ports.RootCount, null);
        set?.Ports.Face(port % set.Ports.RootCount, Usb.Ports[port]);
    }

    /// <summary>The current through a root port became too much, or is well again.</summary>
    /// <param name="port">From 0 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver)
    {
        if (_owners[port]?.Ports is { } ports)
            ports.SetOverCurrent(port % ports.RootCount, isOver);
    }

    /// <inheritdoc/>
    public void PortChanged(UsbPort port)
    {
        if (_owners[port.Number - 1]?.Ports is { } ports)
            ports.Connect((port.Number - 1) % ports.RootCount);
    }

    /// <inheritdoc/>
    public void WakeSignalled(UsbPort port)
    {
        if (_owners[port.Number - 1]?.Ports is { } ports)
            ports.Wake((port.Number - 1) % ports.RootCount);
    }

    /// <inheritdoc/>
    public void Babbled(UsbPort port)
    {
        if (_owners[port.Number - 1]?.Ports is { } ports)
            ports.Babble((port.Number - 1) % ports.RootCount);
    }
}
