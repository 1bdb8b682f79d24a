namespace Dma.UsbDevice;

/// <summary>The start-of-frame packets of a bus, counted in microframes by time itself: nothing has to happen for the count to advance.</summary>
/// <remarks>The controller at the root starts, stops and sets it; what hangs on the bus reads it.</remarks>
public sealed class FrameClock
{
    private const uint IndexMask = 0x3FFF;
    private const uint FrameNumberMask = 0x7FF;

    private ulong _base;
    private ulong _epochNs;

    /// <summary>Whether frames begin; while not, everything on the bus sees it idle.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Microframes since the index was last set, plus that index: an index register holds its lower 14 bits.</summary>
    /// <param name="nowNs">The time.</param>
    public ulong Count(ulong nowNs) => IsRunning ? _base + ((nowNs - _epochNs) / WireTime.MicroframeNs) : _base;

    /// <summary>FRINDEX: bits 2:0 are the microframe, bits 13:3 the frame.</summary>
    /// <param name="nowNs">The time.</param>
    public uint Index(ulong nowNs) => IndexOf(Count(nowNs));

    /// <summary>What an index register holds after so many microframes.</summary>
    public static uint IndexOf(ulong count) => (uint)count & IndexMask;

    /// <summary>The eleven bits that a start-of-frame packet carries.</summary>
    /// <param name="nowNs">The time.</param>
    public uint FrameNumber(ulong nowNs) => (uint)(Count(nowNs) >> 3) & FrameNumberMask;

    /// <summary>When a microframe begins; it must not lie before the clock was started.</summary>
    public ulong StartOf(ulong count) => _epochNs + ((count - _base) * WireTime.MicroframeNs);

    /// <summary>Runs from here; a microframe begins now.</summary>
    public void Start(ulong nowNs) => (_epochNs, IsRunning) = (nowNs, true);

    /// <summary>Runs in step with another clock that runs: its microframes begin with those, and have the same place in the frame.</summary>
    public void Follow(FrameClock other, ulong nowNs)
    {
        ulong count = other.Count(nowNs);
        (_base, _epochNs, IsRunning) = ((_base & ~7ul) | (count & 7), other.StartOf(count), true);
    }

    /// <summary>Stops where it is.</summary>
    public void Stop(ulong nowNs) => (_base, IsRunning) = (Count(nowNs), false);

    /// <summary>Stops at an index.</summary>
    public void Set(uint index) => (_base, IsRunning) = (index & IndexMask, false);
}
