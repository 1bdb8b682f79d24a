using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>A port of a back end with a device in it: the guest has an address of its own for it.</summary>
/// <param name="number">From 1.</param>
/// <param name="device">The device.</param>
internal sealed class BackEndPort(int number, IHostUsbDevice device)
{
    private readonly Dictionary<byte, Gate> _turns = [];
    private readonly Dictionary<byte, LookAheadQueue> _lookAheads = [];

    /// <summary>From 1.</summary>
    public int Number => number;

    /// <summary>The device.</summary>
    public IHostUsbDevice Device => device;

    /// <summary>The address that the guest gave it, 0 until then. On the bus it has another one.</summary>
    public int Address { get; private set; }

    /// <summary>Whether the device was taken away.</summary>
    public bool IsGone { get; set; }

    /// <summary>What the guest is told of it.</summary>
    public PlugSpeed PlugSpeed => (IsGone, device.Speed) switch
    {
        (true, _) => PlugSpeed.None,
        (_, UsbSpeed.Low) => PlugSpeed.Low,
        (_, UsbSpeed.Full) => PlugSpeed.Full,
        _ => PlugSpeed.High,
    };

    /// <summary>The slots ahead of time of all isochronous endpoints that were used.</summary>
    public IEnumerable<LookAheadQueue> LookAheads => _lookAheads.Values;

    /// <summary>One transfer of an endpoint at a time, in the order of asking.</summary>
    public Gate TurnOf(byte endpoint)
    {
        if (!_turns.TryGetValue(endpoint, out Gate? turn))
            _turns.Add(endpoint, turn = new());
        return turn;
    }

    /// <summary>The slots ahead of time of an isochronous endpoint.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    /// <param name="stack">The stack that it is served by.</param>
    public LookAheadQueue LookAhead(byte endpoint, IUsbStack stack)
    {
        if (!_lookAheads.TryGetValue(endpoint, out LookAheadQueue? queue))
            _lookAheads.Add(endpoint, queue = new(stack, device, endpoint));
        return queue;
    }

    /// <summary>The guest gives the device an address. One that has an address already, and answers at 0 again, was reset by the guest: so it is in truth.</summary>
    /// <param name="setup">The request.</param>
    /// <param name="asked">The address at which it was asked.</param>
    public async ValueTask<HostUsbStatus> SetAddress(SetupPacket setup, int asked)
    {
        const int AddressMax = 127;
        if (setup.Value > AddressMax || setup.Length != 0)
            return HostUsbStatus.Stalled;
        if (asked == 0 && Address != 0 && !await device.Reset())
            return HostUsbStatus.Gone;
        Address = setup.Value;
        return HostUsbStatus.Completed;
    }
}
