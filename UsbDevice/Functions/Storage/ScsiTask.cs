namespace Dma.UsbDevice;

/// <summary>Which way the data of a command goes.</summary>
public enum ScsiDirection
{
    /// <summary>There is none.</summary>
    None = 0,

    /// <summary>From the device to the host.</summary>
    In,

    /// <summary>From the host to the device.</summary>
    Out,
}

/// <summary>What a command wants to do with data, known before any data moves.</summary>
/// <param name="Direction">Which way.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct ScsiTask(ScsiDirection Direction, ulong Length)
{
    /// <summary>A command without data, or one that failed.</summary>
    public static ScsiTask NoData => default;

    /// <summary>A command that sends bytes to the host; none is no data.</summary>
    public static ScsiTask In(ulong length) => length == 0 ? NoData : new(ScsiDirection.In, length);

    /// <summary>A command that takes bytes from the host; none is no data.</summary>
    public static ScsiTask Out(ulong length) => length == 0 ? NoData : new(ScsiDirection.Out, length);
}
