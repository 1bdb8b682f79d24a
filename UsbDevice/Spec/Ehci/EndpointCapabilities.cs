using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Doubleword 2 of a queue head: when, and through which hub (EHCI, queue head).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EndpointCapabilities(Bits32 Raw)
{
    /// <summary>Bits 7:0, S-mask: microframes of a frame in which an interrupt endpoint is asked, or its split started; 0 in the asynchronous list.</summary>
    public byte StartMask
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, C-mask: microframes in which a split is completed.</summary>
    public byte CompleteMask
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 22:16, the hub whose translator serves the endpoint.</summary>
    public int HubAddress
    {
        get => (int)Raw.Bits(22, 16);
        init => Raw = Raw.With(22, 16, (uint)value);
    }

    /// <summary>Bits 29:23, the port of that hub.</summary>
    public int HubPort
    {
        get => (int)Raw.Bits(29, 23);
        init => Raw = Raw.With(29, 23, (uint)value);
    }

    /// <summary>Bits 31:30, Mult: transactions in a microframe, 1 to 3.</summary>
    public int Multiplier
    {
        get => (int)Raw.Bits(31, 30);
        init => Raw = Raw.With(31, 30, (uint)value);
    }
}
