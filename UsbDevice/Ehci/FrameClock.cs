namespace Dma.UsbDevice;

/// <summary>Microframes, counted by time itself: nothing has to happen for the frame index to advance.</summary>
internal sealed class FrameClock
{
    private const uint IndexMask = 0x3FFF;

    private ulong _base;
    private ulong _epochNs;
    private bool _isRunning;

    /// <summary>Microframes since the index was last set, plus that index: the register holds its lower 14 bits.</summary>
    public ulong Count(ulong nowNs) => _isRunning ? _base + ((nowNs - _epochNs) / WireTime.MicroframeNs) : _base;

    /// <summary>FRINDEX.</summary>
    public uint Index(ulong nowNs) => (uint)Count(nowNs) & IndexMask;

    /// <summary>When a microframe begins; it must not lie before the clock was started.</summary>
    public ulong StartOf(ulong count) => _epochNs + ((count - _base) * WireTime.MicroframeNs);

    /// <summary>Runs from here; a microframe begins now.</summary>
    public void Start(ulong nowNs) => (_epochNs, _isRunning) = (nowNs, true);

    /// <summary>Stops where it is.</summary>
    public void Stop(ulong nowNs) => (_base, _isRunning) = (Count(nowNs), false);

    /// <summary>Stops at an index.</summary>
    public void Set(uint index) => (_base, _isRunning) = (index & IndexMask, false);
}
