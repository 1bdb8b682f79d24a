using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCCPARAMS2: what it can do since version 1.1 (xHCI, capability parameters 2).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciCapabilityParameters2(Bits32 Raw)
{
    /// <summary>Bit 0, U3C: ports tell when they have entered U3.</summary>
    public bool U3Entry
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, CMC: Configure Endpoint can refuse a maximum exit latency.</summary>
    public bool ExitLatencyTooLarge
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, FSC: Save State stores what it must even where nothing changed.</summary>
    public bool ForceSave
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, CTC: software decides whether links may enter compliance.</summary>
    public bool ComplianceTransition
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, LEC: the payload of a service interval may exceed 48 KiB.</summary>
    public bool LargeEsit
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, CIC: input control contexts name the configuration.</summary>
    public bool ConfigurationInformation
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }
}
