using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a command changes: the first context of an input context (xHCI, input control context).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct InputControlContext(Bits256 Raw)
{
    /// <summary>Bytes in memory; with contexts of 64 bytes as many zeros follow.</summary>
    public const int Size = 32;

    /// <summary>Bits 31:0, the contexts that go, by context index; bits 1:0 are zero.</summary>
    public uint DropFlags
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 63:32, the contexts that come or are looked at, by context index; bit 0 is the slot context.</summary>
    public uint AddFlags
    {
        get => (uint)Raw.Bits(63, 32);
        init => Raw = Raw.With(63, 32, value);
    }

    /// <summary>Bits 231:224, the configuration that is set, where CONFIG.CIE is set.</summary>
    public byte Configuration
    {
        get => (byte)Raw.Bits(231, 224);
        init => Raw = Raw.With(231, 224, value);
    }

    /// <summary>Bits 239:232, the interface whose setting changes, where CONFIG.CIE is set.</summary>
    public byte Interface
    {
        get => (byte)Raw.Bits(239, 232);
        init => Raw = Raw.With(239, 232, value);
    }

    /// <summary>Bits 247:240, that setting, where CONFIG.CIE is set.</summary>
    public byte AlternateSetting
    {
        get => (byte)Raw.Bits(247, 240);
        init => Raw = Raw.With(247, 240, value);
    }
}
