using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.Vmm;

/// <summary>The registers of an xHCI controller as they lie in the state region of a VM, little-endian, one behind the other.</summary>
/// <remarks>
/// Ports are not in it: each belongs to one VM, and keeps its own state behind its gate. What no register shows, devices, places on rings and what
/// waits, the controller itself saves into the pages behind it.
/// </remarks>
/// <param name="Command">USBCMD.</param>
/// <param name="Status">USBSTS, with all that was latched and not yet acknowledged.</param>
/// <param name="NotificationControl">DNCTRL.</param>
/// <param name="Configure">CONFIG.</param>
/// <param name="CommandRing">CRCR as the VM wrote it since its last turn; only bit 3 of what it was before can be read.</param>
/// <param name="ContextArray">DCBAAP.</param>
/// <param name="LegacySupport">USBLEGSUP.</param>
/// <param name="LegacyControl">USBLEGCTLSTS.</param>
/// <param name="FrameIndex">MFINDEX.</param>
/// <param name="IsSaved">1 where the controller saved state by itself, which goes with these registers.</param>
/// <param name="MicroframeNs">When the microframe of <paramref name="FrameIndex"/> began, in nanoseconds since power-on: while the controller runs, the index goes on from there.</param>
/// <param name="Interrupters">The registers of each interrupter.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct XhciState(
    uint Command,
    uint Status,
    uint NotificationControl,
    uint Configure,
    ulong CommandRing,
    ulong ContextArray,
    uint LegacySupport,
    uint LegacyControl,
    uint FrameIndex,
    uint IsSaved,
    ulong MicroframeNs,
    XhciState.InterrupterList Interrupters) : IControllerState
{
    /// <summary>Interrupters that there is room for.</summary>
    public const int InterruptersMax = 16;

    /// <summary>Bytes of it without interrupters.</summary>
    public const int FrontSize = 56;

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, ulong Value)> Registers =>
    [
        ("USBCMD", Command),
        ("USBSTS", Status),
        ("DNCTRL", NotificationControl),
        ("CRCR", CommandRing),
        ("DCBAAP", ContextArray),
        ("CONFIG", Configure),
        ("MFINDEX", FrameIndex),
        ("IMAN0", Interrupters[0].Management),
        ("IMOD0", Interrupters[0].Moderation),
        ("ERSTSZ0", Interrupters[0].TableSize),
        ("ERSTBA0", Interrupters[0].TableBase),
        ("ERDP0", Interrupters[0].Dequeue),
    ];

    /// <summary>The registers of one interrupter.</summary>
    /// <param name="Management">IMAN.</param>
    /// <param name="Moderation">IMOD.</param>
    /// <param name="TableSize">ERSTSZ.</param>
    /// <param name="Reserved">0.</param>
    /// <param name="TableBase">ERSTBA.</param>
    /// <param name="Dequeue">ERDP.</param>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Interrupter(uint Management, uint Moderation, uint TableSize, uint Reserved, ulong TableBase, ulong Dequeue)
    {
        /// <summary>Bytes of it.</summary>
        public const int Size = 32;
    }

    /// <summary>All interrupters, that with number 0 first.</summary>
    [InlineArray(InterruptersMax)]
    public struct InterrupterList : IEquatable<InterrupterList>
    {
        private Interrupter _first;

        /// <inheritdoc/>
        public readonly bool Equals(InterrupterList other) => ((ReadOnlySpan<Interrupter>)this).SequenceEqual(other);

        /// <inheritdoc/>
        public override readonly bool Equals(object? obj) => obj is InterrupterList other && Equals(other);

        /// <inheritdoc/>
        public override readonly int GetHashCode() => _first.GetHashCode();

        /// <summary>Whether all are the same.</summary>
        public static bool operator ==(InterrupterList left, InterrupterList right) => left.Equals(right);

        /// <summary>Whether any is not the same.</summary>
        public static bool operator !=(InterrupterList left, InterrupterList right) => !left.Equals(right);
    }
}
