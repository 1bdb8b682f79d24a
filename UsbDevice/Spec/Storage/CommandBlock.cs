using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The bytes of any SCSI command, of which all that is known is the first (SPC, command descriptor block).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct CommandBlock(Bits128 Raw)
{
    /// <summary>Bits 7:0, OPERATION CODE.</summary>
    public ScsiOperation Operation
    {
        get => (ScsiOperation)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }
}
