namespace Dma.UsbDevice;

/// <summary>Ports of one register set behind which there is no bus: software plugs devices in that it provides itself.</summary>
/// <remarks>
/// To its driver they are root ports like others. What is said to a device there takes no packet, and no time of the bus;
/// addresses there are those that the driver chose.
/// </remarks>
internal sealed class EhciInternalPorts : IPortOwner
{
    private readonly EhciRegisterSet _set;
    private readonly int _first;

    /// <summary>Empty ports.</summary>
    /// <param name="set">Whose they are.</param>
    /// <param name="first">The place of the first one among the ports that the set shows, from 0 on.</param>
    /// <param name="count">How many, at least 1.</param>
    public EhciInternalPorts(EhciRegisterSet set, int first, int count)
    {
        (_set, _first) = (set, first);
        Usb = new(this, UsbSpeed.High, count);
    }

    /// <summary>What the packets of the set reach there.</summary>
    public UsbBus Usb { get; }

    /// <inheritdoc/>
    public void PortChanged(UsbPort port) => _set.Ports.Connect(PlaceOf(port));

    /// <inheritdoc/>
    public void WakeSignalled(UsbPort port) => _set.Ports.Wake(PlaceOf(port));

    /// <inheritdoc/>
    public void Babbled(UsbPort port) => _set.Ports.Babble(PlaceOf(port));

    private int PlaceOf(UsbPort port) => _first + port.Number - 1;
}
