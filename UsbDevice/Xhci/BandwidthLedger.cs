using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Admits periodic endpoints: adds up what those on a bus need, and says whether it fits (xHCI, bandwidth management).</summary>
/// <remarks>
/// Each root port is a bus of its own: one at high or full speed, or two one-way ones at SuperSpeed. Each transaction translator is a
/// further bus, of full speed, and takes a share of the bus above.
/// </remarks>
internal sealed class BandwidthLedger(DeviceTable devices)
{
    private readonly BandwidthTable _full = new(UsbSpeed.Full);
    private readonly BandwidthTable _high = new(UsbSpeed.High);
    private readonly BandwidthTable _super = new(UsbSpeed.Super);

    /// <summary>Whether a slot has periodic endpoints.</summary>
    public static bool HoldsBandwidth(DeviceSlot slot)
    {
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            if (slot.Find(index) is { IsPeriodic: true })
                return true;
        }

        return false;
    }

    /// <summary>Whether endpoints of a type hold bandwidth.</summary>
    public static bool IsPeriodic(XhciEndpointType type) =>
        type is XhciEndpointType.IsochronousOut or XhciEndpointType.IsochronousIn or XhciEndpointType.InterruptOut or XhciEndpointType.InterruptIn;

    /// <summary>Whether the bus would still have time for everything if a slot had these endpoints.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="candidates">What each of its endpoints would be, by context index; a type of none where there would be none.</param>
    /// <returns>Success, or which kind of bandwidth is missing.</returns>
    public CompletionCode Check(DeviceSlot slot, ReadOnlySpan<EndpointContext> candidates)
    {
        RootPort port = slot.Port!;
        switch (slot.Speed)
        {
            case UsbSpeed.Super:
                bool fits = SumSuper(port, isIn: false, slot, candidates).Fits && SumSuper(port, isIn: true, slot, candidates).Fits;
                return fits ? CompletionCode.Success : CompletionCode.BandwidthError;
            case UsbSpeed.High:
                return SumHigh(port, slot, candidates).Fits ? CompletionCode.Success : CompletionCode.BandwidthError;
            default:
                if (!SumFull(port, slot.Translator, TranslatorPort(slot), slot, candidates).Fits)
                    return slot.Translator is null ? CompletionCode.BandwidthError : CompletionCode.SecondaryBandwidth;
                bool fitsAbove = slot.Translator is null || SumHigh(port, slot, candidates).Fits;
                return fitsAbove ? CompletionCode.Success : CompletionCode.BandwidthError;
        }
    }

    /// <summary>Per cent that are free at a root port, for devices of a speed.</summary>
    public int FreePercent(RootPort port, PortSpeed speed)
    {
        bool isSuper = port.Bus.Speed == UsbSpeed.Super;
        if (isSuper != (speed == PortSpeed.Super))
            return 0;
        if (isSuper)
            return Math.Min(SumSuper(port, isIn: false, null, default).FreePercent, SumSuper(port, isIn: true, null, default).FreePercent);
        return speed == PortSpeed.High
            ? SumHigh(port, null, default).FreePercent
            : SumFull(port, null, 0, null, default).FreePercent;
    }

    /// <summary>Per cent that are free at a port of a hub, for devices of a speed.</summary>
    public int FreePercent(DeviceSlot hub, int port, PortSpeed speed) =>
        hub is { Speed: UsbSpeed.High, Port: { } root } && speed < PortSpeed.High
            ? SumFull(root, hub, hub.Context.MultiTranslator ? port : 0, null, default).FreePercent
            : hub.Port is { } other ? FreePercent(other, speed) : 0;

    // A hub with one translator uses it for all its ports.
    private static int TranslatorPort(DeviceSlot slot) =>
        slot.Translator is { Context.MultiTranslator: true } ? slot.Context.TranslatorPort : 0;

    private BandwidthTable SumSuper(RootPort port, bool isIn, DeviceSlot? changed, ReadOnlySpan<EndpointContext> candidates)
    {
        _super.Clear();
        foreach (DeviceSlot slot in devices.Slots)
        {
            if (slot.IsEnabled && slot.Port == port && slot.Speed == UsbSpeed.Super)
                AddAll(_super, slot, slot == changed ? candidates : default, isIn);
        }

        return _super;
    }

    private BandwidthTable SumHigh(RootPort port, DeviceSlot? changed, ReadOnlySpan<EndpointContext> candidates)
    {
        _high.Clear();
        foreach (DeviceSlot slot in devices.Slots)
        {
            if (!slot.IsEnabled || slot.Port != port)
                continue;
            if (slot.Speed == UsbSpeed.High)
                AddAll(_high, slot, slot == changed ? candidates : default, isIn: null);
            else if (slot.Translator is not null && IsFirstOfTranslator(slot, changed, candidates))
                _high.AddTranslator();
        }

        return _high;
    }

    private BandwidthTable SumFull(RootPort port, DeviceSlot? translator, int translatorPort, DeviceSlot? changed, ReadOnlySpan<EndpointContext> candidates)
    {
        _full.Clear();
        foreach (DeviceSlot slot in devices.Slots)
        {
            if (slot.IsEnabled && slot.Port == port && slot.Speed <= UsbSpeed.Full && slot.Translator == translator && TranslatorPort(slot) == translatorPort)
                AddAll(_full, slot, slot == changed ? candidates : default, isIn: null);
        }

        return _full;
    }

    // Each translator counts once, for the first of its devices that needs it.
    private bool IsFirstOfTranslator(DeviceSlot slot, DeviceSlot? changed, ReadOnlySpan<EndpointContext> candidates)
    {
        foreach (DeviceSlot other in devices.Slots)
        {
            bool shares = other.IsEnabled && other.Translator == slot.Translator && TranslatorPort(other) == TranslatorPort(slot);
            bool needs = shares && (other == changed ? HasPeriodic(candidates) : HoldsBandwidth(other));
            if (other == slot)
                return needs;
            if (needs)
                return false;
        }

        return false;
    }

    private static bool HasPeriodic(ReadOnlySpan<EndpointContext> candidates)
    {
        foreach (ref readonly EndpointContext candidate in candidates)
        {
            if (IsPeriodic(candidate.Type))
                return true;
        }

        return false;
    }

    private static void AddAll(BandwidthTable table, DeviceSlot slot, ReadOnlySpan<EndpointContext> candidates, bool? isIn)
    {
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            EndpointContext context = candidates.IsEmpty ? slot.Find(index)?.Context ?? default : candidates[index];
            if (IsPeriodic(context.Type) && (isIn is null || isIn == ((index & 1) != 0)))
                table.Add(context, slot.Speed);
        }
    }
}
