namespace Dma.UsbDevice;

/// <summary>A socket of a controller or hub, empty or with a device in it.</summary>
/// <param name="owner">Whom it tells of changes.</param>
/// <param name="number">Its number as the owner counts, from 1.</param>
public sealed class UsbPort(IPortOwner owner, int number)
{
    private bool _passes;
    private UsbBus? _bus;
    private UsbSpeed? _speed;

    /// <summary>Its number as the owner counts, from 1.</summary>
    public int Number => number;

    /// <summary>The device in it, or null.</summary>
    public IUsbDevice? Device { get; private set; }

    /// <summary>The speed at which the device talks since the owner last reset it; until then, and where nothing is plugged in, the fastest it can.</summary>
    /// <remarks>A high-speed device behind a full-speed hub, or at a full-speed port, talks at full speed.</remarks>
    public UsbSpeed Speed
    {
        get => _speed ?? Device?.Speed ?? UsbSpeed.Full;
        set => _speed = value;
    }

    /// <summary>The bus whose packets it repeats; null for the port of a hub that is not plugged in.</summary>
    public UsbBus? Bus
    {
        get => _bus;
        set
        {
            _bus?.RoutesChanged();
            _bus = value;
            _bus?.RoutesChanged();
        }
    }

    /// <summary>Whether packets pass: the owner sets it while the port is powered, enabled and not suspended.</summary>
    public bool Passes
    {
        get => _passes;
        set
        {
            if (_passes == value)
                return;
            _passes = value;
            RoutesChanged();
        }
    }

    /// <summary>Plugs a device in, while the machine runs or before.</summary>
    /// <exception cref="InvalidOperationException">Something is plugged in already.</exception>
    public void Plug(IUsbDevice device)
    {
        if (Device is not null)
            throw new InvalidOperationException($"Port {number} is taken.");
        Device = device;
        device.Connected(this);
        RoutesChanged();
        owner.PortChanged(this);
    }

    /// <summary>Pulls the device out, wherever in a transfer it is; nothing happens to an empty port.</summary>
    /// <returns>The device that was there, or null.</returns>
    public IUsbDevice? Unplug()
    {
        IUsbDevice? device = Device;
        if (device is null)
            return null;
        (Device, _speed) = (null, null);
        device.Connected(null);
        RoutesChanged();
        owner.PortChanged(this);
        return device;
    }

    /// <summary>Called by the device: resume signalling toward the host.</summary>
    public void SignalWake() => owner.WakeSignalled(this);

    /// <summary>Called by a SuperSpeed device: an endpoint that said NRDY is ready (ERDY).</summary>
    /// <param name="endpoint">Device, endpoint, direction and stream, as the token that was not taken had them.</param>
    public void SignalReady(in UsbToken endpoint)
    {
        _bus?.Observer?.EndpointReady(endpoint);
        owner.EndpointReady(this, endpoint);
    }

    /// <summary>Called by the host side of the bus: the device did not stop talking in time.</summary>
    public void ReportBabble() => owner.Babbled(this);

    /// <summary>Called by the device when its address changed.</summary>
    public void RoutesChanged() => _bus?.RoutesChanged();
}
