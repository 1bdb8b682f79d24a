namespace Dma.UsbDevice;

/// <summary>How the asynchronous time of a shared bus is shared out between register sets.</summary>
public enum SharingPolicy
{
    /// <summary>One set after the other, the first one first: whoever has enough work starves those behind it.</summary>
    Sequential = 0,

    /// <summary>One visit to a queue head each.</summary>
    RoundRobinByTransaction = 1,

    /// <summary>One round over the asynchronous list each.</summary>
    RoundRobinByPass = 2,

    /// <summary>The same bus time each: a quantum for each turn, with what was used too much taken from the next one.</summary>
    DeficitRoundRobin = 3,

    /// <summary>Bus time by weight: as deficit round robin, with a quantum for each unit of weight.</summary>
    Weighted = 4,
}
