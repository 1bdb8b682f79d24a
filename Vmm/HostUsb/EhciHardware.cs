using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of a real EHCI controller in the hands of the VMM, which shares it between VMs.</summary>
internal abstract class EhciHardware
{
    /// <summary>Looks at the capabilities of a controller.</summary>
    /// <param name="function">A function for which <see cref="IsController"/> holds.</param>
    protected EhciHardware(RealFunction function)
    {
        Function = function;
        OperationalBase = (byte)Capability(EhciCapabilityOffsets.Length);
        Structure = new(new(Capability(EhciCapabilityOffsets.StructuralParameters)));
        Capabilities = new(new(Capability(EhciCapabilityOffsets.CapabilityParameters)));
    }

    /// <summary>CAPLENGTH: where the operational registers begin.</summary>
    public int OperationalBase { get; }

    /// <summary>HCSPARAMS.</summary>
    public StructuralParameters Structure { get; }

    /// <summary>HCCPARAMS.</summary>
    public CapabilityParameters Capabilities { get; }

    /// <summary>Whether nobody answers any more: it was pulled out.</summary>
    public bool IsGone => (byte)Capability(EhciCapabilityOffsets.Length) == byte.MaxValue;

    /// <summary>USBSTS.</summary>
    public UsbStatus Status => new(new(this[EhciOperationalOffsets.UsbStatus]));

    /// <summary>USBCMD.</summary>
    public UsbCommand Command
    {
        get => new(new(this[EhciOperationalOffsets.UsbCommand]));
        set => this[EhciOperationalOffsets.UsbCommand] = value.Raw.Value;
    }

    /// <summary>The function.</summary>
    protected RealFunction Function { get; }

    /// <summary>An operational register, by its offset.</summary>
    public virtual uint this[int operational]
    {
        get => (uint)Function.ReadBar(0, (ulong)(OperationalBase + operational), sizeof(uint));
        set => Function.WriteBar(0, (ulong)(OperationalBase + operational), sizeof(uint), value);
    }

    /// <summary>A capability register.</summary>
    public uint Capability(int offset) => (uint)Function.ReadBar(0, (ulong)offset, sizeof(uint));

    /// <summary>Whether a function is an EHCI controller with registers behind BAR 0.</summary>
    protected static bool IsController(RealFunction function) => function.Identity.ClassCode == 0x0C0320 && function.Bars.Count != 0;
}
