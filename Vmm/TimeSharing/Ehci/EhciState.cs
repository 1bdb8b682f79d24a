using System.Runtime.InteropServices;

namespace Dma.Vmm;

/// <summary>The registers of an EHCI controller as they lie in the state region of a VM, little-endian, one behind the other.</summary>
/// <remarks>Ports are not in it: each belongs to one VM, and keeps its own state behind its gate.</remarks>
/// <param name="Command">USBCMD.</param>
/// <param name="Status">USBSTS, with all that was latched and not yet acknowledged.</param>
/// <param name="InterruptEnable">USBINTR.</param>
/// <param name="FrameIndex">FRINDEX.</param>
/// <param name="Segment">CTRLDSSEGMENT.</param>
/// <param name="PeriodicListBase">PERIODICLISTBASE.</param>
/// <param name="AsyncListAddress">ASYNCLISTADDR.</param>
/// <param name="ConfigureFlag">CONFIGFLAG.</param>
/// <param name="MicroframeNs">When the microframe of <paramref name="FrameIndex"/> began, in nanoseconds since power-on: while the controller runs, the index goes on from there.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct EhciState(
    uint Command,
    uint Status,
    uint InterruptEnable,
    uint FrameIndex,
    uint Segment,
    uint PeriodicListBase,
    uint AsyncListAddress,
    uint ConfigureFlag,
    ulong MicroframeNs) : IControllerState
{
    /// <summary>Bytes of it.</summary>
    public const int Size = 40;

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, ulong Value)> Registers =>
    [
        ("USBCMD", Command),
        ("USBSTS", Status),
        ("USBINTR", InterruptEnable),
        ("FRINDEX", FrameIndex),
        ("CTRLDSSEGMENT", Segment),
        ("PERIODICLISTBASE", PeriodicListBase),
        ("ASYNCLISTADDR", AsyncListAddress),
        ("CONFIGFLAG", ConfigureFlag),
    ];
}
