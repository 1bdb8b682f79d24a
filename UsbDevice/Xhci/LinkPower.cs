using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The low-power states of a SuperSpeed link: U1 and U2 after some time without packets, and back when one is due, which waits for that (USB 3.x, link power management).</summary>
/// <remarks>Nothing has to happen for a link to fall asleep: its state follows from the time, and is looked at when somebody asks.</remarks>
internal sealed class LinkPower
{
    private const ulong NsPerUs = 1000;
    private const ulong U2UnitNs = 256_000;
    private const int U1TimeoutMax = 0x7F;
    private const int U2TimeoutMax = 0xFE;

    private ulong _idleSinceNs;
    private ulong _readyNs;

    /// <summary>The link reached U0.</summary>
    public void Start(ulong nowNs) => (_idleSinceNs, _readyNs) = (nowNs, nowNs);

    /// <summary>Packets are on the link until some time.</summary>
    public void Use(ulong untilNs) => _idleSinceNs = Math.Max(_idleSinceNs, untilNs);

    /// <summary>The state of a link that nobody has used since.</summary>
    /// <param name="state">U0, U1 or U2, as it was.</param>
    /// <param name="timeouts">After how long it goes to which.</param>
    /// <param name="nowNs">The time.</param>
    public PortLinkState StateAt(PortLinkState state, Usb3PortPower timeouts, ulong nowNs)
    {
        ulong idle = nowNs > _idleSinceNs ? nowNs - _idleSinceNs : 0;
        if (timeouts.U2Timeout is > 0 and <= U2TimeoutMax && idle >= timeouts.U2Timeout * U2UnitNs)
            return PortLinkState.U2;
        return state == PortLinkState.U0 && timeouts.U1Timeout is > 0 and <= U1TimeoutMax && idle >= timeouts.U1Timeout * NsPerUs
            ? PortLinkState.U1
            : state;
    }

    /// <summary>A packet is due: the link goes to U0.</summary>
    /// <param name="state">Where it is.</param>
    /// <param name="host">How long the port takes.</param>
    /// <param name="device">How long the device takes, in microseconds.</param>
    /// <param name="nowNs">The time.</param>
    /// <returns>Nanoseconds until it carries packets: both sides wake at the same time.</returns>
    public uint Wake(PortLinkState state, XhciStructuralParameters3 host, (int U1, int U2) device, ulong nowNs)
    {
        int exitUs = state switch
        {
            PortLinkState.U1 => Math.Max(host.U1ExitLatencyUs, device.U1),
            PortLinkState.U2 => Math.Max(host.U2ExitLatencyUs, device.U2),
            _ => 0,
        };
        _readyNs = Math.Max(_readyNs, nowNs + ((ulong)exitUs * NsPerUs));
        Use(_readyNs);
        return (uint)(_readyNs - Math.Min(nowNs, _readyNs));
    }
}
