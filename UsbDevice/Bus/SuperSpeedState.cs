using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What a host tells a SuperSpeed device beyond what older devices know (USB 3.x, standard device requests).</summary>
/// <remarks>Nothing here changes how packets are answered: the link power states of the port do that.</remarks>
internal sealed class SuperSpeedState
{
    private const int FunctionSuspendOption = 1 << 8;
    private const int FunctionWakeOption = 1 << 9;
    private const ushort StatusU1Enabled = 1 << 2;
    private const ushort StatusU2Enabled = 1 << 3;
    private const byte StatusFunctionCanWake = 1 << 0;
    private const byte StatusFunctionMayWake = 1 << 1;

    /// <summary>Whether the device may ask for the link state U1.</summary>
    public bool U1Enabled { get; private set; }

    /// <summary>Whether the device may ask for the link state U2.</summary>
    public bool U2Enabled { get; private set; }

    /// <summary>Whether its function was suspended, alone.</summary>
    public bool IsFunctionSuspended { get; private set; }

    /// <summary>Whether its function may wake the host.</summary>
    public bool MayFunctionWake { get; private set; }

    /// <summary>What SET_SEL said last.</summary>
    public ExitLatencies Latencies { get; private set; }

    /// <summary>What SET_ISOCH_DELAY said last, in nanoseconds.</summary>
    public ushort IsochronousDelayNs { get; private set; }

    /// <summary>The bits that GET_STATUS of the device has more.</summary>
    public int DeviceStatus => (U1Enabled ? StatusU1Enabled : 0) | (U2Enabled ? StatusU2Enabled : 0);

    /// <summary>A bus reset.</summary>
    public void Reset()
    {
        U1Enabled = U2Enabled = IsFunctionSuspended = MayFunctionWake = false;
        Latencies = default;
        IsochronousDelayNs = 0;
    }

    /// <summary>What GET_STATUS of an interface says.</summary>
    public byte FunctionStatus(bool canWake) =>
        (byte)((canWake ? StatusFunctionCanWake : 0) | (MayFunctionWake ? StatusFunctionMayWake : 0));

    /// <summary>SET_FEATURE or CLEAR_FEATURE of U1 or U2.</summary>
    public void EnableLinkState(bool isU1, bool set)
    {
        if (isU1)
            U1Enabled = set;
        else
            U2Enabled = set;
    }

    /// <summary>SET_FEATURE of FUNCTION_SUSPEND; the options are in the upper byte of wIndex.</summary>
    public void SuspendFunction(in SetupPacket setup, bool canWake)
    {
        IsFunctionSuspended = (setup.Index & FunctionSuspendOption) != 0;
        MayFunctionWake = canWake && (setup.Index & FunctionWakeOption) != 0;
    }

    /// <summary>SET_SEL.</summary>
    public void SetLatencies(ReadOnlySpan<byte> data) => Latencies = Packed.Read<ExitLatencies>(data);

    /// <summary>SET_ISOCH_DELAY.</summary>
    public void SetIsochronousDelay(ushort delayNs) => IsochronousDelayNs = delayNs;
}
