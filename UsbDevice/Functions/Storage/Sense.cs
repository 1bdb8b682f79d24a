using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Why a command failed: sense key, additional code and qualifier (SPC, sense data).</summary>
/// <param name="Key">What kind of trouble.</param>
/// <param name="Code">ASC.</param>
/// <param name="Qualifier">ASCQ.</param>
/// <param name="Block">The logical block that is meant, or null.</param>
public readonly record struct Sense(SenseKey Key, byte Code, byte Qualifier = 0, ulong? Block = null)
{
    /// <summary>No trouble.</summary>
    public static Sense None => default;

    /// <summary>INVALID COMMAND OPERATION CODE.</summary>
    public static Sense InvalidOperation => new(SenseKey.IllegalRequest, 0x20);

    /// <summary>LOGICAL BLOCK ADDRESS OUT OF RANGE.</summary>
    public static Sense OutOfRange => new(SenseKey.IllegalRequest, 0x21);

    /// <summary>INVALID FIELD IN CDB.</summary>
    public static Sense InvalidField => new(SenseKey.IllegalRequest, 0x24);

    /// <summary>LOGICAL UNIT NOT SUPPORTED.</summary>
    public static Sense UnknownUnit => new(SenseKey.IllegalRequest, 0x25);

    /// <summary>POWER ON, RESET, OR BUS DEVICE RESET OCCURRED.</summary>
    public static Sense ResetOccurred => new(SenseKey.UnitAttention, 0x29);

    /// <summary>WRITE PROTECTED.</summary>
    public static Sense WriteProtected => new(SenseKey.DataProtect, 0x27);

    /// <summary>UNRECOVERED READ ERROR.</summary>
    public static Sense UnreadableBlock(ulong block) => new(SenseKey.MediumError, 0x11, 0, block);

    /// <summary>WRITE ERROR.</summary>
    public static Sense UnwritableBlock(ulong block) => new(SenseKey.MediumError, 0x0C, 0, block);

    /// <summary>INTERNAL TARGET FAILURE.</summary>
    public static Sense InternalFailure => new(SenseKey.HardwareError, 0x44);
}
