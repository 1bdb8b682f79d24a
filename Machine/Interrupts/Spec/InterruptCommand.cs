namespace Dma.Machine;

/// <summary>Interrupt command register: an interrupt that one processor sends to others (Intel SDM volume 3, 11.6.1).</summary>
/// <param name="Raw">Both halves, 64 bits.</param>
public readonly record struct InterruptCommand(Bits64 Raw)
{
    /// <summary>Bits 7:0.</summary>
    public byte Vector
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 10:8: 0 is fixed, 1 lowest priority, 4 NMI.</summary>
    public int DeliveryMode
    {
        get => (int)Raw.Bits(10, 8);
        init => Raw = Raw.With(10, 8, (ulong)value);
    }

    /// <summary>Bit 11: the destination is a logical one.</summary>
    public bool IsLogical
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 19:18: who gets it whatever the destination says.</summary>
    public DestinationShorthand Shorthand
    {
        get => (DestinationShorthand)Raw.Bits(19, 18);
        init => Raw = Raw.With(19, 18, (ulong)value);
    }

    /// <summary>Bits 63:56: the destination, where there is no shorthand.</summary>
    public byte Destination
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>The message that goes to its destination: edge-triggered, as all that processors send to each other.</summary>
    public MessageInterrupt ToMessage() => new(
        InterruptRange.First | ((ulong)Destination << 12) | (IsLogical ? 4u : 0), Vector | ((uint)DeliveryMode << 8));
}
