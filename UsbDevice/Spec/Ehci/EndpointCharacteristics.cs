using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Doubleword 1 of a queue head: which endpoint, and how it is served (EHCI, queue head).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EndpointCharacteristics(Bits32 Raw)
{
    /// <summary>Bits 6:0, the device.</summary>
    public int DeviceAddress
    {
        get => (int)Raw.Bits(6, 0);
        init => Raw = Raw.With(6, 0, (uint)value);
    }

    /// <summary>Bit 7, I: stop the queue at the next transaction; full- and low-speed interrupt endpoints only.</summary>
    public bool InactivateOnNext
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 11:8, the endpoint of the device.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (uint)value);
    }

    /// <summary>Bits 13:12, EPS: the speed of the endpoint.</summary>
    public EndpointSpeed Speed
    {
        get => (EndpointSpeed)Raw.Bits(13, 12);
        init => Raw = Raw.With(13, 12, (uint)value);
    }

    /// <summary>Bit 14, DTC: each qTD brings its data toggle; where clear, the queue head keeps it.</summary>
    public bool ToggleFromDescriptor
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15, H: the head of the asynchronous list.</summary>
    public bool ReclamationHead
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 26:16, bytes in a full packet, at most 400h.</summary>
    public int MaxPacketSize
    {
        get => (int)Raw.Bits(26, 16);
        init => Raw = Raw.With(26, 16, (uint)value);
    }

    /// <summary>Bit 27, C: a full- or low-speed control endpoint.</summary>
    public bool ControlEndpoint
    {
        get => Raw.Bit(27);
        init => Raw = Raw.With(27, value);
    }

    /// <summary>Bits 31:28, RL: how many NAKs end the visits until the next restart of the list; 0 does not count.</summary>
    public int NakReload
    {
        get => (int)Raw.Bits(31, 28);
        init => Raw = Raw.With(31, 28, (uint)value);
    }
}
