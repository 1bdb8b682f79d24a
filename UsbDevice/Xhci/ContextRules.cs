using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What the contexts that software hands in must keep to (xHCI, slot context, endpoint context).</summary>
internal sealed class ContextRules(DeviceTable devices, XhciOptions options)
{
    private const int IntervalMax = 15;
    private const int BurstMax = 15;

    /// <summary>Whether endpoint 0 can have packets of a size at a speed.</summary>
    public static bool IsPacketSize(int bytes, PortSpeed speed) => speed switch
    {
        PortSpeed.Low => bytes == 8,
        PortSpeed.Full => bytes is 8 or 16 or 32 or 64,
        PortSpeed.High => bytes == 64,
        PortSpeed.Super => bytes == 512,
        _ => false,
    };

    /// <summary>A slot context for Address Device.</summary>
    public CompletionCode CheckSlot(SlotContext context)
    {
        if (context.RootPort == 0 || context.RootPort > devices.Ports.Count)
            return CompletionCode.TrbError;
        bool isSuper = devices.Ports[context.RootPort - 1].Bus.Speed == UsbSpeed.Super;
        if (context.Speed is < PortSpeed.Full or > PortSpeed.Super || isSuper != (context.Speed == PortSpeed.Super))
            return CompletionCode.ParameterError;
        if (context.TranslatorSlot == 0 || !NeedsTranslator(context))
            return CompletionCode.Success;
        return devices.Find(context.TranslatorSlot) is { Speed: UsbSpeed.High, State: >= SlotState.Addressed } hub && hub.Port == devices.Ports[context.RootPort - 1]
            ? CompletionCode.Success
            : CompletionCode.ParameterError;
    }

    /// <summary>The context of endpoint 0.</summary>
    public static CompletionCode CheckControl(EndpointContext context, PortSpeed speed) =>
        context.Type == XhciEndpointType.Control && IsPacketSize(context.MaxPacketSize, speed) && context.StreamsMax == 0
            ? CompletionCode.Success
            : CompletionCode.ParameterError;

    /// <summary>The context of another endpoint.</summary>
    /// <param name="context">The context.</param>
    /// <param name="index">Its context index: odd ones send to the host.</param>
    /// <param name="speed">The speed of the device.</param>
    public CompletionCode CheckEndpoint(EndpointContext context, int index, UsbSpeed speed)
    {
        bool isIn = (index & 1) != 0;
        bool fitsIndex = context.Type switch
        {
            XhciEndpointType.IsochronousOut or XhciEndpointType.BulkOut or XhciEndpointType.InterruptOut => !isIn,
            XhciEndpointType.IsochronousIn or XhciEndpointType.BulkIn or XhciEndpointType.InterruptIn => isIn,
            XhciEndpointType.Control => isIn,
            _ => false,
        };
        int streams = context.Type is XhciEndpointType.BulkIn or XhciEndpointType.BulkOut && speed == UsbSpeed.Super ? options.StreamArrayMax : 0;
        bool isValid = fitsIndex
            && context.MaxPacketSize is >= 1 and <= UsbBus.PacketMax
            && context.Interval <= IntervalMax
            && context.BurstMax <= (speed == UsbSpeed.Super ? BurstMax : 2)
            && context.Mult <= 2
            && context.StreamsMax <= streams
            && (context.LinearStreams || context.StreamsMax == 0 || options.SecondaryStreams);
        return isValid ? CompletionCode.Success : CompletionCode.ParameterError;
    }

    /// <summary>A slot to try an address with, apart from those that are there.</summary>
    public DeviceSlot Trial(int id, SlotContext context, EndpointContext endpoint)
    {
        DeviceSlot trial = new(id)
        {
            Context = context with { Address = 0, State = SlotState.Enabled, MultiTranslator = false, Hub = false },
            Port = devices.Ports[context.RootPort - 1],
            Translator = NeedsTranslator(context) ? devices.Find(context.TranslatorSlot) : null,
        };
        trial.Make(ContextIndex.Control).Configure(endpoint);
        return trial;
    }

    private static bool NeedsTranslator(SlotContext context) => context is { Speed: PortSpeed.Full or PortSpeed.Low, TranslatorSlot: not 0 };
}
